"""The closures of a run, revisit by revisit, with their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.report.element import element
from streamvpr.report.picture import read_photograph
from streamvpr.report.wording import count, metres, score, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamvpr.records import Query
    from streamvpr.report.element import Element
    from streamvpr.report.picture import Picture
    from streamvpr.report.reading import Closure, NumberedClosure, StreamResults

# Of pictures, and of characters that hold them: so much opens at once on a telephone, too, and goes
# through the mail.
MOST_PICTURES = 200
MOST_BYTES = 16_000_000
# Of revisits; each is some 2 kB of page without its pictures.
MOST_REVISITS = 1000
# Of so many, all pictures are shown from the start.
FEW_REVISITS = 3


@dataclass(frozen=True, slots=True)
class Revisit:
    """The closures of one sustained revisit, in order, with what is known of their queries."""

    stream: str
    number: int
    """Of the stream, from 0."""
    closures: list[NumberedClosure]
    queries: dict[int, Query]
    """Of the stream, by index."""

    @property
    def best(self) -> NumberedClosure:
        """The surest closure."""
        return max(self.closures, key=_confidence)


def revisits(streams: Iterable[StreamResults]) -> list[list[Revisit]]:
    """Of each stream, in the order in which they began."""
    return [_of_stream(stream, number) for number, stream in enumerate(streams)]


def gallery(found: Sequence[Revisit]) -> Element:
    """A card for each revisit with the picture of its surest closure, and the others behind it.

    Where there is no room for all pictures, the surest ones of the surest revisits are shown.
    """
    shown = sorted(found, key=lambda revisit: -_confidence(revisit.best))[:MOST_REVISITS]
    pictures = _pictures(shown)
    chosen = {id(revisit) for revisit in shown}
    kept = [revisit for revisit in found if id(revisit) in chosen]
    several = len({revisit.stream for revisit in found}) > 1
    return element(
        "div",
        _left_out(found, kept, pictures),
        element(
            "div",
            [
                _card(revisit, pictures, named=several, unfolded=len(kept) <= FEW_REVISITS)
                for revisit in kept
            ],
            class_="gallery",
        ),
    )


def _of_stream(stream: StreamResults, number: int) -> list[Revisit]:
    queries = {query.query_idx: query for query in stream.queries}
    grouped: dict[int, list[NumberedClosure]] = {}
    for closure in stream.closures:
        grouped.setdefault(closure.closure.loop_id, []).append(closure)
    return [Revisit(stream.name, number, group, queries) for group in grouped.values()]


def _pictures(found: Sequence[Revisit]) -> dict[NumberedClosure, Picture]:
    """As many as there is room for: the best of each revisit, then the others."""
    best = [revisit.best for revisit in found]
    others = [one for revisit in found for one in revisit.closures if one is not revisit.best]
    pictures: dict[NumberedClosure, Picture] = {}
    room = MOST_BYTES
    for closure in (*best, *others):
        if len(pictures) == MOST_PICTURES or room <= 0:
            break
        picture = read_photograph(closure.picture)
        if picture is not None:
            pictures[closure] = picture
            room -= len(picture.url)
    return pictures


def _left_out(
    found: Sequence[Revisit], shown: Sequence[Revisit], pictures: dict[NumberedClosure, Picture]
) -> Element:
    closures = sum(len(revisit.closures) for revisit in found)
    said = f"{count(closures, 'closure')} in {count(len(found), 'sustained revisit')}"
    if len(shown) < len(found):
        said += f", of which the surest {len(shown):,} are shown"
    if len(pictures) < closures:
        said += f"; {len(pictures):,} of them with their picture"
    return element(
        "p",
        f"{said}. Query left, match right; lines join the features that one geometry explains.",
        class_="muted",
    )


def _card(
    revisit: Revisit, pictures: dict[NumberedClosure, Picture], *, named: bool, unfolded: bool
) -> Element:
    return element(
        "article",
        element(
            "h3",
            f"Revisit {revisit.best.closure.loop_id}",
            element("span", f" of {revisit.stream}" if named else None, class_="muted"),
        ),
        element("p", _span(revisit), class_="muted"),
        _closure(revisit, revisit.best, pictures),
        _others(revisit, pictures, unfolded=unfolded),
        class_="revisit",
    )


def _others(
    revisit: Revisit, pictures: dict[NumberedClosure, Picture], *, unfolded: bool
) -> Element | None:
    others = [one for one in revisit.closures if one is not revisit.best]
    if not others:
        return None
    return element(
        "details",
        element("summary", count(len(others), "other closure")),
        element("div", [_closure(revisit, one, pictures) for one in others], class_="more"),
        open="open" if unfolded else None,
    )


def _span(revisit: Revisit) -> str:
    queries = [one.closure.query_idx for one in revisit.closures]
    places = [one.closure.match_idx for one in revisit.closures]
    return (
        f"{count(len(queries), 'closure')}: queries {_range(queries)} at places {_range(places)}"
        if len(queries) > 1
        else "1 closure"
    )


def _range(indices: list[int]) -> str:
    low, high = min(indices), max(indices)
    return f"{low}" if low == high else f"{low} to {high}"


def _closure(
    revisit: Revisit, one: NumberedClosure, pictures: dict[NumberedClosure, Picture]
) -> Element:
    closure, picture = one.closure, pictures.get(one)
    return element(
        "figure",
        None
        if picture is None
        else element(
            "img",
            src=picture.url,
            width=picture.width,
            height=picture.height,
            alt=_alt(closure),
            loading="lazy",
            decoding="async",
        ),
        element(
            "figcaption",
            element(
                "p",
                element("b", f"query {closure.query_idx}"),
                _at(closure.query_time),
                " is place ",
                element("b", f"{closure.match_idx}"),
                _at(closure.match_time),
                _whose(closure, revisit.stream),
            ),
            element("dl", list(_facts(closure, revisit.queries.get(closure.query_idx)))),
        ),
        id=f"closure-{revisit.number}-{closure.query_idx}",
        class_="closure",
    )


def _facts(closure: Closure, query: Query | None) -> Iterator[Element]:
    needed = None if query is None else query.inliers_needed
    yield _fact("score", score(closure.score))
    yield _fact("confidence", score(closure.confidence))
    if closure.inliers >= 0:
        asked = "" if needed is None else f" of {needed} needed"
        yield _fact("inliers", f"{closure.inliers}{asked}")
    if query is not None and query.overlap is not None:
        yield _fact("overlap", score(query.overlap))
    if closure.distance_m is not None:
        yield _fact("apart", metres(closure.distance_m))


def _fact(name: str, value: str) -> Element:
    return element("div", element("dt", name), element("dd", value))


def _at(time: float | None) -> str | None:
    return None if time is None else f" ({seconds(time)})"


def _whose(closure: Closure, stream: str) -> str | None:
    session = f" of {closure.match_session}" if closure.match_session else ""
    other = closure.match_stream if closure.match_stream not in (None, stream) else None
    return f"{session} in {other}" if other else session or None


def _alt(closure: Closure) -> str:
    lines = f", joined by {count(closure.inliers, 'line')}" if closure.inliers > 0 else ""
    return f"Query {closure.query_idx} beside place {closure.match_idx}{lines}"


def _confidence(one: NumberedClosure) -> float:
    return one.closure.confidence or 0.0
