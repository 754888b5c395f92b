"""The loop-closure signal of a stream: the best similarity of each frame, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from streamvpr.frames import Verdict
from streamvpr.report.axes import HEIGHT, WIDTH, Range, chart, dots, drawing, point, x_of, y_of
from streamvpr.report.element import element
from streamvpr.report.wording import MEANINGS, count, css_class, percent, score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamvpr.records import Query
    from streamvpr.report.element import Child, Element

# Of more frames, those that share a column of the drawing are drawn as one line from the least
# similarity to the greatest.
COLUMNS = 1200
# Frames that the reader can step through; of more, the one of each column that tells most.
MOST_STEPS = 2400
# Rows of a drawing: two dots of one decision in one cell are one.
ROWS = 150
FEW_FRAMES = 400


def signal(queries: Sequence[Query], threshold: float | None, *, stream: int) -> Element:
    """A chart, the frames to step through, and each decision's share of them.

    `queries` are those of one stream, the `stream`-th, by index: one or more.
    """
    x = Range.over(queries[0].query_idx, queries[-1].query_idx)
    if all(query.score is None for query in queries):
        drawn: Child = element("p", "No frame had a candidate that it could be compared with.")
    else:
        drawn = [_chart(queries, x, threshold), _reader(list(_steps(queries)), stream)]
    return element(
        "div", drawn, _decisions(queries, x), class_="signal", data_first=x.low, data_last=x.high
    )


def _chart(queries: Sequence[Query], x: Range, threshold: float | None) -> Element:
    y = _scores(queries, threshold)
    plot = drawing(
        element("path", d=_line(queries, x, y), class_="score"),
        _threshold(threshold, y),
        [_dots(queries, verdict, x, y) for verdict in reversed(_present(queries))],
        label=_said(queries, threshold),
    )
    cursor = element("div", class_="cursor", hidden="hidden")
    return chart(plot, x, y, x_label="query index", y_label="best similarity", below=cursor)


def _scores(queries: Sequence[Query], threshold: float | None) -> Range:
    """What the similarities span, to the next tenth; outliers below are cut off."""
    found = sorted(query.score for query in queries if query.score is not None)
    low = found[len(found) // 200] if found else 0.0
    low = min(low, threshold) if threshold is not None else low
    high = max(1.0, found[-1]) if found else 1.0
    return Range.over(int(10 * low - (low < 0)) / 10, high)


def _line(queries: Sequence[Query], x: Range, y: Range) -> str:
    """The path of the similarities; what has none leaves a gap."""
    path, pen = [], "M"
    for query in _outline(queries):
        if query is not None:
            path.append(pen + point(x_of(x, query.query_idx), _y(query, y)))
        pen = "M" if query is None else "L"
    return "".join(path)


def _outline(queries: Sequence[Query]) -> Iterator[Query | None]:
    """All frames; of many, the least and the most similar of each column. None is a gap."""
    size = -(-len(queries) // COLUMNS)
    before = queries[0].query_idx
    for start in range(0, len(queries), size):
        column = queries[start : start + size]
        known = [query for query in column if query.score is not None]
        if not known or column[0].query_idx > before + 1:
            yield None
        if known:
            ends = {q.query_idx: q for q in (min(known, key=_score), max(known, key=_score))}
            yield from sorted(ends.values(), key=_index)
        before = column[-1].query_idx


def _dots(queries: Sequence[Query], verdict: str, x: Range, y: Range) -> Element:
    cells: dict[tuple[int, int], tuple[float, float]] = {}
    for query in queries:
        if query.decision == verdict and query.score is not None:
            share, down = x.share(query.query_idx), _y(query, y)
            cell = int(COLUMNS * share), int(ROWS * down / HEIGHT)
            cells.setdefault(cell, (WIDTH * share, down))
    few = " few" if len(queries) <= FEW_FRAMES else ""
    return element("path", d=dots(list(cells.values())), class_=f"dots{few} {css_class(verdict)}")


def _threshold(threshold: float | None, y: Range) -> Element | None:
    if threshold is None:
        return None
    at = round(y_of(y, threshold), 1)
    return element("path", d=f"M0 {at:g}H{WIDTH:g}", class_="threshold")


def _reader(steps: Sequence[Query], stream: int) -> Element:
    """Frames to step through: a slider below the chart, and what it says of each of them.

    The numbers go to the page's script, without which there is no slider.
    """
    told = " ".join(_told(query) for query in steps)
    name = f"frame-{stream}"
    return element(
        "div",
        element("label", "Frame", for_=name),
        element(
            "input",
            type="range",
            id=name,
            min=0,
            max=len(steps) - 1,
            value=0,
            step=1,
        ),
        element("p"),
        class_="reader",
        hidden="hidden",
        data_steps=told,
        data_stream=stream,
        data_verdicts=" ".join(Verdict),
    )


def _steps(queries: Sequence[Query]) -> Iterator[Query]:
    """Frames evenly spread over all, of each stretch the one that tells most."""
    size = -(-len(queries) // MOST_STEPS)
    for start in range(0, len(queries), size):
        yield max(queries[start : start + size], key=_telling)


def _telling(query: Query) -> tuple[bool, float, float]:
    return query.decision == "accepted", query.confidence or 0.0, query.score or -1.0


def _told(query: Query) -> str:
    """Numbers only: index, time, score, decision, match, confidence, inliers, needed."""
    verdicts = [verdict.value for verdict in Verdict]
    decision = verdicts.index(query.decision) if query.decision in verdicts else ""
    known = (query.match_idx, query.confidence, query.inliers, query.inliers_needed)
    fields = (query.query_idx, query.query_time, query.score, decision, *known)
    return ",".join("" if value is None else f"{value}" for value in fields)


def _decisions(queries: Sequence[Query], x: Range) -> Element:
    counts = Counter(query.decision for query in queries)
    return element(
        "ul",
        [
            element(
                "li",
                element(
                    "p",
                    element("span", class_=f"swatch {css_class(verdict)}"),
                    element("b", verdict.replace("_", " ") or "unknown"),
                    element("span", f"{counts[verdict]:,}", class_="number"),
                    element("span", percent(counts[verdict], len(queries)), class_="number share"),
                    element("span", _meaning(verdict), class_="meaning"),
                ),
                _strip(queries, verdict, x),
            )
            for verdict in _present(queries)
        ],
        class_="decisions",
    )


def _strip(queries: Sequence[Query], verdict: str, x: Range) -> Element:
    """Where in the stream a decision was made: a mark for each column that has one."""
    whole = min(COLUMNS, int(x.high - x.low))
    columns = {
        round(whole * x.share(query.query_idx)) for query in queries if query.decision == verdict
    }
    unit = WIDTH / whole
    marks = "".join(
        f"M{(first - 0.5) * unit:.1f} 0H{(last + 0.5) * unit:.1f}V10H{(first - 0.5) * unit:.1f}z"
        for first, last in _runs(sorted(columns))
    )
    return element(
        "svg",
        element("path", d=marks, class_=css_class(verdict)),
        viewBox=f"0 0 {WIDTH:g} 10",
        preserveAspectRatio="none",
        class_="strip",
        aria_hidden="true",
    )


def _runs(columns: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of the numbers that follow each other."""
    start = 0
    for at in range(1, len(columns) + 1):
        if at == len(columns) or columns[at] > columns[at - 1] + 1:
            yield columns[start], columns[at - 1]
            start = at


def _present(queries: Sequence[Query]) -> list[str]:
    """The decisions that were made, accepted ones first; others than ours last."""
    made = {query.decision for query in queries}
    known = [verdict.value for verdict in MEANINGS if verdict.value in made]
    return known + sorted(made - set(known))


def _meaning(verdict: str) -> str | None:
    return MEANINGS[Verdict(verdict)] if verdict in set(Verdict) else None


def _said(queries: Sequence[Query], threshold: float | None) -> str:
    accepted = sum(query.decision == "accepted" for query in queries)
    asked = "" if threshold is None else f" against a threshold of {threshold:.3g}"
    found = [query.score for query in queries if query.score is not None]
    span = f", from {score(min(found))} to {score(max(found))}" if found else ""
    return (
        f"Best similarity of {count(len(queries), 'frame')}{span}{asked}; "
        f"{count(accepted, 'frame')} closed a loop."
    )


def _y(query: Query, y: Range) -> float:
    """Units from the top; what is cut off is drawn at the edge."""
    return min(HEIGHT, y_of(y, _score(query)))


def _score(query: Query) -> float:
    return 0.0 if query.score is None else query.score


def _index(query: Query) -> int:
    return query.query_idx
