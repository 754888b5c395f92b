"""The places that a stream's queries may match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.comparison import Comparison

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.background import Level
    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Descriptor
    from streamvpr.sequences import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Similarities:
    """Of a query to all N places, oldest first."""

    scores: NDArray[np.float32]
    """(N,) cosine similarities."""
    hidden: NDArray[np.bool_]
    """(N,) places that must not match: too recent, or never left."""
    past: int
    """How many of the first places are old enough to match."""


class Past:
    """A database as one stream sees it."""

    def __init__(self, database: PlaceDatabase, sequences: SequenceMatcher | None = None) -> None:
        """`sequences` is None where each frame stands for itself."""
        self.database = database
        self._sequences = sequences

    def similarities(
        self, descriptor: Descriptor, *, before: int | None = None, left: bool = False
    ) -> Similarities:
        """Of the next query to all places.

        Only those last seen before index `before` may match (all where None), and with `left` only
        those that the view has left since.
        """
        scores = self.database.scores(descriptor)
        hidden, past = self.database.hidden(scores, before=before, left=left)
        return Similarities(scores, hidden, past)

    def compare(self, descriptor: Descriptor, found: Similarities, level: Level) -> Comparison:
        """The next query against all places, its similarities set against that level."""
        prominence, alignments = level.prominence(found.scores), None
        if self._sequences is not None:
            alignments = self._sequences.align(
                prominence[: found.past], found.hidden[: found.past], self.database.first
            )
        return Comparison(
            self.database,
            descriptor,
            found.scores,
            self.database.indices(),
            found.hidden,
            found.past,
            prominence,
            alignments,
        )
