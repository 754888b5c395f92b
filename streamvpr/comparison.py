"""One query against the places of a past: what is admissible, and what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Candidate
from streamvpr.matching import NEIGHBOURHOOD, distinct_in_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.background import Level
    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Place
    from streamvpr.retrieval.base import Signature
    from streamvpr.sequences import Alignments


@dataclass(frozen=True, slots=True)
class Comparison:
    """Similarities of a query to M places, oldest first. Good until the next place is added.

    They are all of a past, or of a very long one those that can matter.
    """

    database: PlaceDatabase
    descriptor: Signature
    rows: NDArray[np.int64]
    """(M,) increasing rows of the database."""
    scores: NDArray[np.float32]
    """(M,) cosine similarities, of centred descriptors where those are compared."""
    orders: NDArray[np.int64]
    """(M,) increasing positions in the order of the database."""
    hidden: NDArray[np.bool_]
    """(M,) places that must not match: too recent, or never left."""
    lingering: NDArray[np.bool_]
    """(M,) places that are old enough, and that similarity says were never left."""
    usual: NDArray[np.int64]
    """Positions among them of those that are spread evenly over what is old enough to match."""
    prominence: NDArray[np.float32]
    """(M,) how much of the way from the background to 1 each goes."""
    level: Level
    """The background, and that way."""
    alignments: Alignments | None = None
    """What the frames before say of some places; None where each frame stands for itself."""

    def best(self, most: int) -> list[Candidate]:
        """The most prominent places, best first, distinct in time, at most `most`."""
        if self.alignments is not None:
            found, evidence, reach = self._aligned()
        else:
            found, reach = np.flatnonzero(~self.hidden), NEIGHBOURHOOD
            evidence = self.scores[found]
        picked = found[distinct_in_time(evidence, self.orders[found], most, reach)]
        return [self._candidate(int(at)) for at in picked]

    def beside(self, candidate: Candidate) -> list[Candidate]:
        """The places that were kept just before and just after a candidate."""
        row = self.database.row_of(candidate.place)
        return [self._candidate(at) for at in self._near(row, 1) if self.rows[at] != row]

    def around(self, place: Place, reach: int, most: int) -> list[Candidate]:
        """The most similar of the places that were kept within `reach` places of one."""
        near = self._near(self.database.row_of(place), reach)
        near.sort(key=lambda at: (-self.scores[at], at))
        return [self._candidate(at) for at in near[:most]]

    def lingered(self, most: int) -> list[Candidate]:
        """The most similar of the places that similarity says were never left."""
        found = np.flatnonzero(self.lingering)
        picked = found[distinct_in_time(self.scores[found], self.orders[found], most)]
        return [self._candidate(int(at)) for at in picked]

    def by_words(self, rows: NDArray[np.int64]) -> list[Candidate]:
        """The places of any rows (K,) of the database, which local features propose."""
        candidates = []
        for row in rows.tolist():
            score = self.database.exact_score(row, self.descriptor)
            prominence = float(self.level.prominence(np.array([score], np.float32))[0])
            place = self.database.place(row)
            candidates.append(Candidate(place, score, prominence, by_words=True))
        return candidates

    def since(self, candidate: Candidate, count: int) -> list[Place]:
        """`count` places, evenly spread, between a candidate and now."""
        row = self.database.row_of(candidate.place)
        steps = np.linspace(row, len(self.database), count + 2)[1:-1]
        return [self.database.place(int(step)) for step in steps if int(step) > row]

    def unrelated(self, most: int, rng: np.random.Generator) -> list[Place]:
        """Up to `most` random places of the half, of those old enough, that looks least alike."""
        if most == 0:
            return []
        scores = self.scores[self.usual]
        found = self.usual[scores <= np.median(scores)]
        chosen = self.rows[rng.choice(found, min(most, len(found)), replace=False)]
        return [self.database.place(int(row)) for row in chosen]

    def _candidate(self, at: int) -> Candidate:
        prominence, agreement = float(self.prominence[at]), None
        if self.alignments is not None:
            prominence, agreement = self.alignments.of(at)
        row = int(self.rows[at])
        return Candidate(
            self.database.place(row),
            score=self.database.exact_score(row, self.descriptor),
            prominence=prominence,
            agreement=agreement,
        )

    def _near(self, row: int, reach: int) -> list[int]:
        """Positions of the places within `reach` rows of a row that may match."""
        first, last = np.searchsorted(self.rows, (row - reach, row + reach + 1))
        return [at for at in range(first, last) if not self.hidden[at]]

    def _aligned(self) -> tuple[NDArray[np.intp], NDArray[np.float32], int]:
        """Positions that a sequence may end at, what it says of them, and how far apart two places
        are: a sequence can't tell places that it contains."""
        assert self.alignments is not None
        found = self.alignments
        return found.rows, found.evidence, max(NEIGHBOURHOOD, found.length)
