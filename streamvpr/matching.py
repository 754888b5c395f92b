"""Ranking of matches: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Candidates nearer in time than this many processed frames show the same stretch of the way.
NEIGHBOURHOOD = 2
# Share of the similarity lost since a place that a revisit of it must regain.
REGAINED = 0.4


def distinct_in_time(
    scores: NDArray[np.float32],
    indices: NDArray[np.int64],
    most: int,
    reach: int = NEIGHBOURHOOD,
) -> list[int]:
    """Rows of the `most` best scores that lie more than `reach` apart, best first.

    `scores` (N,) and increasing `indices` (N,). Greedy non-maximum suppression in the order (score
    descending, index ascending), without sorting everything: the best few are cut out first, and
    more of them while they don't suffice.
    """
    cut = min(len(scores), most * (2 * reach + 1))
    while True:
        picked = _suppress(_best_rows(scores, cut), indices, most, reach)
        if len(picked) == most or cut == len(scores):
            return picked
        cut = min(len(scores), cut * 4)


def never_left(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which places (N,), oldest first, the query has not left since: no revisit, but the same view.

    `scores` are the query's similarities to all places up to now, the newest too. On a straight
    road or above the sea the view stays alike for longer than any exclusion. A place is left when
    the similarity fell after it and regains, at the place, more than REGAINED of the way from the
    lowest point to 1: a peak of its own and not the slope of the present one. Being relative, this
    holds for models that press all similarities together, too.
    """
    later = np.full(len(scores), np.inf, np.float32)
    later[:-1] = np.minimum.accumulate(scores[::-1])[::-1][1:]
    return ~(scores - later > REGAINED * np.maximum(1 - later, 0))


def _best_rows(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """All rows that score no less than the `count`-th best, in order."""
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        rows = np.flatnonzero(scores >= least)
    else:
        rows = np.arange(len(scores))
    return rows[np.argsort(-scores[rows], kind="stable")]


def _suppress(
    rows: NDArray[np.int64], indices: NDArray[np.int64], most: int, reach: int
) -> list[int]:
    picked: list[int] = []
    for row in rows:
        if all(abs(int(indices[row] - indices[other])) > reach for other in picked):
            picked.append(int(row))
            if len(picked) == most:
                break
    return picked
