"""The similarity matrix of a stream, and in it the closures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.report.axes import Range, dots, drawing, framed
from streamvpr.report.element import element
from streamvpr.report.picture import read_drawing
from streamvpr.report.wording import count, score
from streamvpr.sinks.heatmap import scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from streamvpr.records import Query
    from streamvpr.report.element import Element
    from streamvpr.sinks.summary_file import MatrixFile

SIDE = 1000.0
SHADES = 24

Line = tuple[str | None, str]
Lines = dict[Line, tuple[list[int], list[int]]]


def matrix(folder: Path, found: MatrixFile, queries: Sequence[Query]) -> Element | None:
    """The picture with its axes and the accepted of the stream's queries; None where it is gone,
    or has one row only.

    Where each query was compared with those before it, the accepted ones are drawn in the half that
    is empty otherwise, mirrored at the diagonal, so that they hide nothing.
    """
    picture = read_drawing(folder / found.file)
    if picture is None or len(found.queries) < 2 or not found.places:
        return None
    mirrored = _is_own_past(found)
    lines = _lines(found)
    marks = list(_marks(found, lines, queries, mirrored=mirrored))
    plot = [
        element("img", src=picture.url, alt=_said(found)),
        drawing(
            element("path", d=dots(marks), class_="halo"),
            element("path", d=dots(marks), class_="v-accepted"),
            label=f"{count(len(marks), 'accepted query', 'accepted queries')} in it",
            width=SIDE,
            height=SIDE,
        ),
    ]
    return element(
        "figure",
        framed(
            plot,
            left=_ticks(found.queries),
            bottom=_ticks([index for _, _, index in found.places]) if len(lines) == 1 else [],
            y_label="query index, downwards",
            x_label="index of the place" if len(lines) == 1 else "places, session by session",
            class_="chart square",
        ),
        element(
            "figcaption",
            _key(found),
            _explained(mirrored=mirrored),
            element("p", _extent(found), class_="muted"),
        ),
    )


def _ticks(indices: Sequence[int]) -> list[tuple[float, float]]:
    """Where round indices stand among those that were kept."""
    cells = range(len(indices))
    values = Range.over(indices[0], indices[-1]).ticks(5)
    placed = [(_between(round(value), indices, cells), value) for value in values]
    return [(at / len(indices), value) for at, value in placed if at is not None]


def _is_own_past(found: MatrixFile) -> bool:
    return [(None, found.stream, index) for index in found.queries] == [
        tuple(place) for place in found.places
    ]


def _marks(
    found: MatrixFile, lines: Lines, queries: Sequence[Query], *, mirrored: bool
) -> Iterator[tuple[float, float]]:
    """Where the accepted queries lie, in units to the right and down."""
    for query in queries:
        if query.decision != "accepted" or query.match_idx is None:
            continue
        down = _between(query.query_idx, found.queries, range(len(found.queries)))
        line = lines.get(_line(query, found))
        right = None if line is None else _between(query.match_idx, *line)
        if down is None or right is None:
            continue
        at = SIDE * right / len(found.places), SIDE * down / len(found.queries)
        yield (at[1], at[0]) if mirrored else at


def _lines(found: MatrixFile) -> Lines:
    """By session and stream: the indices of its places, and the columns that they stand in."""
    lines: Lines = {}
    for column, (session, stream, index) in enumerate(found.places):
        indices, columns = lines.setdefault((session, stream), ([], []))
        indices.append(index)
        columns.append(column)
    return lines


def _line(query: Query, found: MatrixFile) -> Line:
    """Whose place a query matched; where its record does not say so, there is one only."""
    session, stream, _ = found.places[0]
    if isinstance(query.match_stream, str):
        known = query.match_session
        return known if isinstance(known, str) else None, query.match_stream
    return session, stream


def _between(index: int, indices: Sequence[int], cells: Sequence[int]) -> float | None:
    """The middle of the cell of an index, or where it would be between those that were kept.

    None beyond the last one and before the first by more than those are apart.
    """
    apart = indices[1] - indices[0] if len(indices) > 1 else 1
    if not indices[0] - apart < index < indices[-1] + apart:
        return None
    return float(np.interp(index, indices, cells)) + 0.5


def _key(found: MatrixFile) -> Element:
    """From the darkest colour to the brightest."""
    return element(
        "p",
        element("span", score(found.darkest)),
        element(
            "span",
            [element("i", style=f"background:{colour}") for colour in scale(SHADES)],
            class_="shades",
            aria_hidden="true",
        ),
        element("span", score(found.brightest)),
        element("span", "cosine similarity", class_="muted"),
        class_="key",
    )


def _explained(*, mirrored: bool) -> list[Element]:
    dot = element("span", class_="swatch v-accepted")
    if mirrored:
        return [
            element("p", dot, "closures, mirrored at the diagonal so that they hide nothing"),
            element(
                "p",
                "Each query against the frames before it. A bright line beside the diagonal is a "
                "way that was gone again, one at right angles to it a way that was gone back.",
            ),
        ]
    return [
        element("p", dot, "closures"),
        element("p", "Each query against the places of the database."),
    ]


def _extent(found: MatrixFile) -> str:
    rows, columns = len(found.queries), len(found.places)
    return f"{rows:,} of the queries, {columns:,} of the places, evenly spread."


def _said(found: MatrixFile) -> str:
    return (
        f"Similarity matrix of {found.stream}: {count(len(found.queries), 'row')}, a query each, "
        f"and {count(len(found.places), 'column')}, a place each."
    )
