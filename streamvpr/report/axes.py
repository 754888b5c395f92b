"""Charts: a drawing between two axes, whose letters are the page's, legible at any width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.report.element import element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.report.element import Child, Element

# Drawings are so many units wide and high, however large they are shown.
WIDTH, HEIGHT = 1000.0, 300.0
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Range:
    """From a least value to a greatest, which are not the same."""

    low: float
    high: float

    @classmethod
    def over(cls, low: float, high: float) -> Range:
        """Of values that may be all the same."""
        return cls(low, high) if high > low else cls(low - 0.5, high + 0.5)

    def share(self, value: float) -> float:
        """How far a value is on the way from the least to the greatest: 0 to 1, or beyond."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = MOST_TICKS) -> list[float]:
        """Round values within, evenly spaced: steps of 1, 2 or 5 of a power of ten."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(count * step, 12) for count in range(first, last + 1)]


def x_of(values: Range, value: float) -> float:
    """Units to the right."""
    return WIDTH * values.share(value)


def y_of(values: Range, value: float) -> float:
    """Units from the top."""
    return HEIGHT * (1 - values.share(value))


def point(x: float, y: float) -> str:
    """A place in a path."""
    return f"{_short(x)} {_short(y)}"


def dots(places: Sequence[tuple[float, float]]) -> str:
    """A path of dots: lines of no length, which round ends make round however a drawing is
    stretched."""
    return "".join(f"M{point(x, y)}h0" for x, y in places)


def drawing(*children: Child, label: str, width: float = WIDTH, height: float = HEIGHT) -> Element:
    """An SVG that fills the box it is in; `label` says to those who do not see it what it shows."""
    return element(
        "svg",
        children,
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def chart(
    plot: Element, x: Range, y: Range, *, x_label: str, y_label: str, below: Child = None
) -> Element:
    """A drawing with round values beside and below it."""
    return framed(
        [_grid(x, y), plot, below],
        left=[(1 - y.share(value), value) for value in y.ticks(5)],
        bottom=[(x.share(value), value) for value in x.ticks()],
        x_label=x_label,
        y_label=y_label,
    )


def framed(
    plot: Child,
    *,
    left: Sequence[tuple[float, float]],
    bottom: Sequence[tuple[float, float]],
    x_label: str,
    y_label: str,
    class_: str = "chart",
) -> Element:
    """What fills a box, and values at the shares of its height and width where they stand."""
    return element(
        "div",
        element("span", y_label, class_="y-label"),
        element("div", [_tick("top", *one) for one in left], class_="y-axis", aria_hidden="true"),
        element("div", plot, class_="plot"),
        element(
            "div", [_tick("left", *one) for one in bottom], class_="x-axis", aria_hidden="true"
        ),
        element("span", x_label, class_="x-label"),
        class_=class_,
    )


def _grid(x: Range, y: Range) -> Element:
    down = "".join(f"M{_short(x_of(x, value))} 0V{HEIGHT:g}" for value in x.ticks())
    across = "".join(f"M0 {_short(y_of(y, value))}H{WIDTH:g}" for value in y.ticks(5))
    return element(
        "svg",
        element("path", d=down + across, class_="grid"),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _tick(side: str, share: float, value: float) -> Element:
    return element("span", f"{value:,.10g}", style=f"{side}:{100 * share:.2f}%")


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
