"""Figures of several turns: what stands for all of them, and how far they are apart."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = 6


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured once in every turn."""

    unit: str
    better: Literal["lower", "higher"]
    median: float
    values: list[float]
    """One a turn, in their order."""

    @property
    def least(self) -> float:
        """The smallest of the turns."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest of the turns."""
        return max(self.values)

    @property
    def spread(self) -> float:
        """How far apart the turns are."""
        return self.most - self.least


def figure(
    values: Sequence[float], unit: str, *, better: Literal["lower", "higher"] = "lower"
) -> Figure:
    """The figure of the turns' values, each with six digits: what is beyond is noise."""
    return Figure(
        unit=unit, better=better, median=_rounded(median(values)), values=[*map(_rounded, values)]
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share of the values does not exceed; `share` 0 to 1."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
