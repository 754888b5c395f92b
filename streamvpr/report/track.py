"""Where frames were taken, from above, and which of them closed a loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.earth import MEAN_RADIUS
from streamvpr.report.axes import Range, dots, point
from streamvpr.report.element import element
from streamvpr.report.wording import count, metres

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamvpr.records import Query
    from streamvpr.report.element import Element
    from streamvpr.report.reading import StreamResults

# The longer side of the drawing, in its own units.
LONGEST = 1000.0
MARGIN = 0.06
# A line of a path for every so many: more are not told apart in the drawing.
MOST_POINTS = 3000
MOST_CLOSURES = 3000
# A track as narrow as that is given room beside it, so that the drawing is no ribbon.
LEAST_ASPECT = 0.4


@dataclass(frozen=True, slots=True)
class Ground:
    """A flat piece of the Earth around a place: an equirectangular projection.

    It errs by a thousandth at ten kilometres from its middle, and more beyond.
    """

    latitude: float
    longitude: float

    def metres(self, latitude: float, longitude: float) -> tuple[float, float]:
        """To the east and to the north, by the shorter way round."""
        east = (longitude - self.longitude + 540) % 360 - 180
        per_degree = math.radians(MEAN_RADIUS)
        across = math.cos(math.radians(self.latitude))
        return east * per_degree * across, (latitude - self.latitude) * per_degree


@dataclass(frozen=True, slots=True)
class Frame:
    """What of the ground a drawing shows, in metres, and how large it is."""

    east: Range
    north: Range

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in units."""
        unit = LONGEST / max(self.east.high - self.east.low, self.north.high - self.north.low)
        east, north = self.east, self.north
        return unit * (east.high - east.low), unit * (north.high - north.low)

    def place(self, at: tuple[float, float]) -> tuple[float, float]:
        """Units to the right and down."""
        width, height = self.size
        return width * self.east.share(at[0]), height * (1 - self.north.share(at[1]))


def track(streams: Sequence[StreamResults]) -> Element | None:
    """The ways of the streams and lines to what they matched; None where no position is known."""
    known = [query for stream in streams for query in stream.queries if _is_known(query)]
    if len(known) < 2:
        return None
    ground = Ground(known[0].query_lat, known[0].query_lon)  # type: ignore[arg-type]
    frame = _frame(list(_places(known, ground)))
    closures = [q for q in known if q.decision == "accepted"]
    width, height = frame.size
    return element(
        "figure",
        element(
            "div",
            element(
                "svg",
                [element("path", d=_way(s.queries, ground, frame), class_="way") for s in streams],
                element("path", d=dots(_starts(streams, ground, frame)), class_="start"),
                _links(closures, ground, frame),
                viewBox=f"0 0 {width:.1f} {height:.1f}",
                role="img",
                aria_label=f"Way of {len(known):,} frames, {count(len(closures), 'closure')}",
            ),
            _scale_bar(frame),
            element("span", "N", class_="north", title="north is up"),
            class_="ground",
            style=f"aspect-ratio:{width:.1f}/{height:.1f};--aspect:{width / height:.4f}",
        ),
        element(
            "figcaption",
            element(
                "p",
                element("span", class_="swatch v-accepted"),
                "frames that closed a loop, with a line to where their match was taken",
            ),
            element("p", element("span", class_="swatch v-start"), "where a stream begins"),
        ),
    )


def _is_known(query: Query) -> bool:
    return isinstance(query.query_lat, float) and isinstance(query.query_lon, float)


def _match(query: Query, ground: Ground) -> tuple[float, float] | None:
    if isinstance(query.match_lat, float) and isinstance(query.match_lon, float):
        return ground.metres(query.match_lat, query.match_lon)
    return None


def _here(query: Query, ground: Ground) -> tuple[float, float]:
    assert isinstance(query.query_lat, float)
    assert isinstance(query.query_lon, float)
    return ground.metres(query.query_lat, query.query_lon)


def _places(known: Iterable[Query], ground: Ground) -> Iterator[tuple[float, float]]:
    for query in known:
        yield _here(query, ground)
        match = _match(query, ground) if query.decision == "accepted" else None
        if match is not None:
            yield match


def _frame(places: list[tuple[float, float]]) -> Frame:
    easts, norths = zip(*places, strict=True)
    middles = [(min(values) + max(values)) / 2 for values in (easts, norths)]
    spans = [max(values) - min(values) for values in (easts, norths)]
    least = max(LEAST_ASPECT * max(spans), 1.0)
    east, north = (
        Range(middle - half, middle + half)
        for middle, half in zip(
            middles, ((0.5 + MARGIN) * max(span, least) for span in spans), strict=True
        )
    )
    return Frame(east, north)


def _way(queries: Sequence[Query], ground: Ground, frame: Frame) -> str:
    """A path through the frames in order; it breaks where a position is not known."""
    step = -(-len(queries) // MOST_POINTS) or 1
    parts, pen = [], "M"
    for query in queries[::step]:
        if _is_known(query):
            parts.append(pen + point(*frame.place(_here(query, ground))))
        pen = "L" if _is_known(query) else "M"
    return "".join(parts)


def _starts(
    streams: Sequence[StreamResults], ground: Ground, frame: Frame
) -> list[tuple[float, float]]:
    firsts = (next(filter(_is_known, stream.queries), None) for stream in streams)
    return [frame.place(_here(first, ground)) for first in firsts if first is not None]


def _links(closures: Sequence[Query], ground: Ground, frame: Frame) -> Iterator[Element]:
    shown = closures[:: -(-len(closures) // MOST_CLOSURES) or 1]
    lines, ends = [], []
    for query in shown:
        here, there = _here(query, ground), _match(query, ground)
        ends.append(frame.place(here))
        if there is not None:
            lines.append(f"M{point(*frame.place(here))}L{point(*frame.place(there))}")
    yield element("path", d="".join(lines), class_="link v-accepted")
    yield element("path", d=dots(ends), class_="dots v-accepted")


def _scale_bar(frame: Frame) -> Element:
    """A round number of metres, a fifth of the width or more."""
    width = frame.east.high - frame.east.low
    power = 10.0 ** math.floor(math.log10(width / 5))
    length = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= width / 5)
    return element(
        "span", metres(length), class_="scale-bar", style=f"width:{100 * length / width:.2f}%"
    )
