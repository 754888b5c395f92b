"""One query against all places of a past: what is admissible, and what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Candidate
from streamvpr.matching import NEIGHBOURHOOD, distinct_in_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Descriptor, Place
    from streamvpr.sequences import Alignments


@dataclass(frozen=True, slots=True)
class Comparison:
    """Similarities of a query to all N places, oldest first. Good until the next place is added."""

    database: PlaceDatabase
    descriptor: Descriptor
    scores: NDArray[np.float32]
    """(N,) cosine similarities, of centred descriptors where those are compared."""
    indices: NDArray[np.int64]
    """(N,) increasing."""
    hidden: NDArray[np.bool_]
    """(N,) places that must not match: too recent, or never left."""
    lingering: NDArray[np.bool_]
    """(N,) places that are old enough, and that similarity says were never left."""
    past: int
    """How many of the first places are old enough to match."""
    prominence: NDArray[np.float32]
    """(N,) how much of the way from the background to 1 each goes."""
    alignments: Alignments | None = None
    """What the frames before say of some places; None where each frame stands for itself."""

    def best(self, most: int) -> list[Candidate]:
        """The most prominent places, best first, distinct in time, at most `most`."""
        if self.alignments is not None:
            rows, evidence, reach = self._aligned()
        else:
            rows, evidence, reach = self._admissible(), self.scores, NEIGHBOURHOOD
            evidence = evidence[rows]
        picked = rows[distinct_in_time(evidence, self.indices[rows], most, reach)]
        return [self.candidate(int(row)) for row in picked]

    def beside(self, candidate: Candidate) -> list[Candidate]:
        """The places that were kept just before and just after a candidate."""
        row = int(np.searchsorted(self.indices, candidate.place.index))
        return [self.candidate(r) for r in (row - 1, row + 1) if self._may_match(r)]

    def around(self, index: int, reach: int, most: int) -> list[Candidate]:
        """The most similar of the places that were kept within `reach` places of `index`."""
        row = int(np.searchsorted(self.indices, index))
        near = [r for r in range(row - reach, row + reach + 1) if self._may_match(r)]
        near.sort(key=lambda r: (-self.scores[r], r))
        return [self.candidate(r) for r in near[:most]]

    def lingered(self, most: int) -> list[Candidate]:
        """The most similar of the places that similarity says were never left."""
        rows = np.flatnonzero(self.lingering)
        picked = rows[distinct_in_time(self.scores[rows], self.indices[rows], most)]
        return [self.candidate(int(row)) for row in picked]

    def since(self, candidate: Candidate, count: int) -> list[Place]:
        """`count` places, evenly spread, between a candidate and now."""
        row = int(np.searchsorted(self.indices, candidate.place.index))
        steps = np.linspace(row, len(self.indices), count + 2)[1:-1]
        return [self.database.place(int(step)) for step in steps if int(step) > row]

    def unrelated(self, most: int, rng: np.random.Generator) -> list[Place]:
        """Up to `most` random places of the half, of those old enough, that looks least alike."""
        if most == 0:
            return []
        scores = self.scores[: self.past]
        rows = np.flatnonzero(scores <= np.median(scores))
        chosen = rng.choice(rows, min(most, len(rows)), replace=False)
        return [self.database.place(int(row)) for row in chosen]

    def holds(self, place: Place) -> bool:
        """Whether a place is one of these."""
        row = int(np.searchsorted(self.indices, place.index))
        return row < len(self.indices) and self.database.place(row) is place

    def candidate(self, row: int) -> Candidate:
        """The place of a row as a candidate."""
        prominence, agreement = float(self.prominence[row]), None
        if self.alignments is not None:
            prominence, agreement = self.alignments.of(row)
        return Candidate(
            self.database.place(row),
            score=self.database.exact_score(row, self.descriptor),
            prominence=prominence,
            agreement=agreement,
        )

    def _may_match(self, row: int) -> bool:
        return 0 <= row < len(self.hidden) and not self.hidden[row]

    def _admissible(self) -> NDArray[np.intp]:
        return np.flatnonzero(~self.hidden)

    def _aligned(self) -> tuple[NDArray[np.intp], NDArray[np.float32], int]:
        """Rows that a sequence may end at, what it says of them, and how far apart two places are:
        a sequence can't tell places that it contains."""
        assert self.alignments is not None
        found = self.alignments
        return found.rows, found.evidence, max(NEIGHBOURHOOD, found.length)
