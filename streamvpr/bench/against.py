"""Two reports side by side: what is faster now, and what the spread of the turns explains."""

from __future__ import annotations

from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.bench.figures import Figure
    from streamvpr.bench.report import Report

# One turn has no spread.
LEAST_TURNS = 2
# Options that change how it is measured, and not what.
HOW = ("against", "repeats")


class Verdict(StrEnum):
    """What two figures say of each other."""

    BETTER = "better, beyond the spread"
    WORSE = "worse, beyond the spread"
    ALIKE = "within the spread"
    UNTOLD = "one turn alone tells no spread"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A figure then and now."""

    before: float
    now: float
    ratio: float | None
    """Now to before; None where that was nothing."""
    verdict: Verdict


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """A report held against an earlier one."""

    date: str
    """Of the earlier one."""
    others: list[str]
    """What else is not the same, in words: then the figures may differ for that."""
    figures: dict[str, Difference]
    """Those that both have."""


def compare(before: Report, now: Report) -> Against:
    """Hold a report against an earlier one."""
    return Against(
        date=before.date,
        others=list(_others(before, now)),
        figures={
            name: difference(before.figures[name], figure)
            for name, figure in now.figures.items()
            if name in before.figures
        },
    )


def difference(before: Figure, now: Figure) -> Difference:
    """What became of a figure.

    Beyond the spread is where the medians are further apart than both are spread, added up. That no
    turn reaches any of the other's is not enough: of three and three that happens by chance once
    in ten figures.
    """
    return Difference(
        before=before.median,
        now=now.median,
        ratio=round(now.median / before.median, 4) if before.median else None,
        verdict=_verdict(before, now),
    )


def _verdict(before: Figure, now: Figure) -> Verdict:
    if min(len(before.values), len(now.values)) < LEAST_TURNS:
        return Verdict.UNTOLD
    if abs(now.median - before.median) <= before.spread + now.spread:
        return Verdict.ALIKE
    grew = now.median > before.median
    return Verdict.BETTER if grew is (now.better == "higher") else Verdict.WORSE


def _others(before: Report, now: Report) -> Iterator[str]:
    for what, then, this in (
        ("version", before.version, now.version),
        ("machine", before.machine, now.machine),
        ("model", before.model, now.model),
        *(("source", *pair) for pair in zip_longest(before.sources, now.sources)),
        *(
            (f"--{name}", before.options.get(name), now.options.get(name))
            for name in sorted({*before.options, *now.options}.difference(HOW))
        ),
    ):
        if then != this:
            yield f"another {what}: {_shown(then)}; now {_shown(this)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
