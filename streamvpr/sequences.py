"""Consecutive frames that must agree: alignments of the last L queries with stretches of the past.

SeqSLAM (Milford and Wyeth, ICRA 2012) on deep descriptors, online: the contrast-normalised rows of
the last L queries are kept, and only at the ends that some candidate suggests the straight
alignments through them are summed. A frame costs O(candidates · L), whatever the size of the past.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Places a query, relative to those that were passed: from four fifths of the old speed to five
# quarters.
SPEEDS = (0.8, 0.9, 1.0, 1.125, 1.25)
# Ends that one frame suggests, besides those that go on from the frame before.
MOST_ENDS = 50
# An alignment that runs out of the past needs so much of its length within.
LEAST_WITHIN = 0.5


@dataclass(frozen=True, slots=True)
class Alignments:
    """The best alignment that ends at each of some places."""

    rows: NDArray[np.intp]
    """(K,) increasing rows of the past."""
    evidence: NDArray[np.float32]
    """(K,) sum of the prominences along it over the square root of their number: of unrelated
    frames it spreads as that of a single frame does."""
    agreement: NDArray[np.float32]
    """(K,) median of those prominences, which no single frame can raise; minus infinity where too
    little of it lies within."""
    length: int
    """Number of frames that must agree."""

    def of(self, row: int) -> tuple[float, float]:
        """Evidence and agreement at a row that is one of `rows`."""
        at = int(np.searchsorted(self.rows, row))
        return float(self.evidence[at]), float(self.agreement[at])


class SequenceMatcher:
    """Keeps the last L rows of one past. Rows may move as old places are evicted."""

    def __init__(self, length: int, *, bidirectional: bool = False) -> None:
        """`length` L, 2 or more; `bidirectional` also looks for the way back."""
        self.length = length
        speeds = np.array(SPEEDS)
        self._speeds = np.concatenate([speeds, -speeds]) if bidirectional else speeds
        # Newest first: (number of the first place, prominences).
        self._kept: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=length)
        self._ends = np.empty(0, np.int64)

    def align(
        self, prominence: NDArray[np.float32], hidden: NDArray[np.bool_], first: int
    ) -> Alignments:
        """Take the next query's prominences (N,) and align at the places that they suggest.

        Those are of the places that are old enough to match: the query resembles the newest ones
        because it has hardly moved since.

        `first` is the number of the first place, counted from the first ever added, so that rows
        still belong to the same places after some were evicted.
        """
        self._kept.appendleft((first, prominence))
        rows = self._suggested(prominence, hidden, first)
        evidence, agreement = self._sums(rows + first)
        best = np.argsort(-evidence, kind="stable")[:MOST_ENDS]
        self._ends = rows[best] + first
        return Alignments(rows, evidence, agreement, self.length)

    def _suggested(
        self, prominence: NDArray[np.float32], hidden: NDArray[np.bool_], first: int
    ) -> NDArray[np.intp]:
        """The most prominent rows and those beside them, and where the last alignments lead."""
        admissible = np.flatnonzero(~hidden)
        most = min(MOST_ENDS, len(admissible))
        cut = np.argsort(-prominence[admissible], kind="stable")[:most]
        steps = (-2, -1, 0, 1, 2) if len(self._speeds) > len(SPEEDS) else (0, 1, 2)
        led = (self._ends[:, None] - first + np.array(steps)).ravel()
        beside = (admissible[cut][:, None] + np.array((-1, 0, 1))).ravel()
        rows = np.union1d(beside, led).astype(np.intp)
        rows = rows[(rows >= 0) & (rows < len(hidden))]
        return rows[~hidden[rows]]

    def _sums(self, ends: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Evidence and agreement of the best speed at each of the ends (K,)."""
        passed = self._passed(ends)
        within = ~np.isnan(passed)
        count = within.sum(axis=0)
        evidence = np.where(within, passed, 0).sum(axis=0) / np.sqrt(np.maximum(count, 1))
        best = evidence.argmax(axis=0)
        column = np.arange(len(ends))
        agreement = np.full(len(ends), -np.inf, np.float32)
        enough = count[best, column] >= LEAST_WITHIN * self.length
        along = passed[:, best, column][:, enough]
        agreement[enough] = np.nanmedian(along, axis=0)
        return evidence[best, column].astype(np.float32), agreement

    def _passed(self, ends: NDArray[np.int64]) -> NDArray[np.float64]:
        """(L, speeds, K) prominences along each alignment; NaN where it is out of the past."""
        found = np.full((len(self._kept), len(self._speeds), len(ends)), np.nan)
        for back, (first, prominence) in enumerate(self._kept):
            rows = ends - np.rint(self._speeds * back).astype(np.int64)[:, None] - first
            within = (rows >= 0) & (rows < len(prominence))
            found[back][within] = prominence[rows[within]]
        return found
