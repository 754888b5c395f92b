"""Where the time of a run went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.report.element import element
from streamvpr.report.wording import UNKNOWN, percent, seconds

if TYPE_CHECKING:
    from streamvpr.report.element import Element
    from streamvpr.summary import Summary


def timings(figures: Summary) -> Element:
    """A bar a stage: how much of the run it worked. They overlap."""
    longest = max(figures.busy.values(), default=0.0)
    return element(
        "table",
        element(
            "caption",
            f"{figures.frames:,} frames in {seconds(figures.seconds)}, "
            f"{_rate(figures)} frames a second. Stages work beside each other, each on a thread of "
            "its own; the busiest one sets the pace.",
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "stage", scope="col"),
                element("th", "busy", scope="col", class_="number"),
                element("th", "of the run", scope="col", class_="number"),
                element("th", "a frame", scope="col", class_="number"),
                element("td", class_="bar-column"),
            ),
        ),
        element("tbody", [_row(n, s, figures, longest) for n, s in figures.busy.items()]),
        class_="timings",
    )


def _row(stage: str, busy: float, figures: Summary, longest: float) -> Element:
    share = 100 * busy / longest if longest else 0.0
    each = f"{1000 * busy / figures.frames:.1f} ms" if figures.frames else UNKNOWN
    return element(
        "tr",
        element("th", stage, scope="row"),
        element("td", f"{busy:.2f} s", class_="number"),
        element("td", percent(busy, figures.seconds), class_="number"),
        element("td", each, class_="number"),
        element("td", element("i", class_="bar", style=f"width:{share:.1f}%"), class_="bar-column"),
    )


def _rate(figures: Summary) -> str:
    return f"{figures.frames / figures.seconds:.1f}" if figures.seconds > 0 else UNKNOWN
