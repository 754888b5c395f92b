"""Precision and recall of the streams whose right pairs are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.report.axes import Range, chart, dots, drawing, point, x_of, y_of
from streamvpr.report.element import element
from streamvpr.report.wording import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.evaluation import CurvePoint, Scores
    from streamvpr.report.element import Element
    from streamvpr.runs import ScoredRun

WHOLE = Range(0.0, 1.0)
# Of a curve: more points than the drawing has units are not told apart.
MOST_POINTS = 1000
FIGURES = (
    ("average_precision", "average precision", "The area below the curve."),
    (
        "max_recall_at_100_precision",
        "recall at 100 % precision",
        "The most that is found, going from the surest on, before the first error.",
    ),
    ("recall_at_1", "recall@1", "Queries whose best candidate is right, accepted or not."),
    ("precision", "precision of the accepted", "Right ones among those that closed a loop."),
    ("recall", "recall of the accepted", "Right accepted ones of all that have a right match."),
)


def curve(scored: ScoredRun) -> Element:
    """The curve of a stream, and what is read off it."""
    scores = scored.scores
    accepted = _accepted(scores)
    plot = drawing(
        element("path", d=_path(_thinned(scored.curve)), class_="score"),
        element("path", d=accepted, class_="dots few v-accepted") if accepted else None,
        label=f"Precision over recall; average precision {score(scores.average_precision)}",
    )
    return element(
        "div",
        chart(plot, WHOLE, WHOLE, x_label="recall", y_label="precision"),
        _table(scores),
        class_="curve",
    )


def _path(points: Sequence[CurvePoint]) -> str:
    """Steps: each ends at its point, and the first begins where nothing is believed yet."""
    if not points:
        return ""
    parts = [f"M{point(0, y_of(WHOLE, points[0].precision))}"]
    for one in points:
        parts.append(f"V{y_of(WHOLE, one.precision):.1f}H{x_of(WHOLE, one.recall):.1f}")
    return "".join(parts)


def _thinned(points: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    step = -(-len(points) // MOST_POINTS) or 1
    return [*points[::step], *points[-1:]]


def _accepted(scores: Scores) -> str | None:
    if scores.precision is None or scores.recall is None:
        return None
    return dots([(x_of(WHOLE, scores.recall), y_of(WHOLE, scores.precision))])


def _table(scores: Scores) -> Element:
    counts = (
        ("queries", scores.queries, "Frames that were asked for; those that stood still are not."),
        ("with a right match", scores.queries_with_positives, "Of those, by the ground truth."),
        ("accepted", scores.accepted, None),
    )
    rows: list[tuple[str, str, str | None]] = [
        (name, score(getattr(scores, key)), meaning) for key, name, meaning in FIGURES
    ]
    rows += [(name, f"{number:,}", meaning) for name, number, meaning in counts]
    return element(
        "table",
        element("caption", "What ", element("code", "streamvpr eval"), " prints"),
        element(
            "tbody",
            [
                element(
                    "tr",
                    element("th", name, scope="row"),
                    element("td", value, class_="number"),
                    element("td", meaning, class_="muted"),
                )
                for name, value, meaning in rows
            ],
        ),
    )
