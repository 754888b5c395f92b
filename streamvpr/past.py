"""The places that a stream's queries may match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.comparison import Comparison
from streamvpr.matching import never_left

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.background import Level
    from streamvpr.centring import Centring, Uncentred
    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Descriptor
    from streamvpr.sequences import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Similarities:
    """Of a query to all N places, oldest first."""

    scores: NDArray[np.float32]
    """(N,) cosine similarities, of centred descriptors where those are compared."""
    recent: NDArray[np.bool_]
    """(N,) places that are too new to match."""
    lingering: NDArray[np.bool_]
    """(N,) places that similarity says were never left."""
    past: int
    """How many of the first places are old enough to match."""


class Past:
    """A database as one stream sees it."""

    def __init__(
        self,
        database: PlaceDatabase,
        centring: Centring | Uncentred,
        sequences: SequenceMatcher | None = None,
    ) -> None:
        """`sequences` is None where each frame stands for itself."""
        self.database = database
        self._centring = centring
        self._sequences = sequences

    def similarities(
        self, descriptor: Descriptor, *, before: int | None = None, left: bool = False
    ) -> Similarities:
        """Of the next query to all places.

        Only those last seen before index `before` may match (all where None), and with `left` only
        those that the view has left since.
        """
        scores = self._centring.scores(self.database, descriptor)
        recent, past = self.database.too_recent(before)
        lingering = never_left(scores) if left and len(scores) else np.zeros(len(scores), bool)
        return Similarities(scores, recent, lingering, past)

    def compare(self, descriptor: Descriptor, found: Similarities, level: Level) -> Comparison:
        """The next query against all places, its similarities set against that level."""
        prominence, alignments = level.prominence(found.scores), None
        hidden = found.recent | found.lingering
        if self._sequences is not None:
            alignments = self._sequences.align(
                prominence[: found.past], hidden[: found.past], self.database.first
            )
        return Comparison(
            self.database,
            descriptor,
            found.scores,
            self.database.indices(),
            hidden,
            found.lingering & ~found.recent,
            found.past,
            prominence,
            alignments,
        )
