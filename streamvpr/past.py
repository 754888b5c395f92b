"""The places that a stream's queries may match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.comparison import Comparison
from streamvpr.matching import distinct_in_time, never_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.background import Level
    from streamvpr.centring import Centring, Uncentred
    from streamvpr.database import PlaceDatabase
    from streamvpr.frames import Place, Position
    from streamvpr.retrieval.base import Signature
    from streamvpr.sequences import SequenceMatcher
    from streamvpr.shortlist import Shortlist


@dataclass(frozen=True, slots=True)
class Similarities:
    """Of a query to the M places that it is compared with, oldest first."""

    rows: NDArray[np.int64]
    """(M,) rows of the database."""
    scores: NDArray[np.float32]
    """(M,) cosine similarities, of centred descriptors where those are compared."""
    recent: NDArray[np.bool_]
    """(M,) places that are too new to match, or too far away."""
    lingering: NDArray[np.bool_]
    """(M,) places that similarity says were never left."""
    usual: NDArray[np.int64]
    """Positions among them of those that are spread evenly over what is old enough to match."""

    @property
    def background(self) -> NDArray[np.float32]:
        """Similarities that say what is usual."""
        return self.scores[self.usual]

    @property
    def highest(self) -> float:
        """The largest of all, of places too new to match also; 0 where there is none."""
        return float(self.scores.max(initial=0.0))


class Past:
    """A database as one stream sees it."""

    def __init__(
        self,
        database: PlaceDatabase,
        centring: Centring | Uncentred,
        sequences: SequenceMatcher | None = None,
        gate: float | None = None,
    ) -> None:
        """`sequences` is None where each frame stands for itself. `gate`: places that are known to
        lie so many metres from the query do not match it; None asks for no position."""
        self.database = database
        self._centring = centring
        self._sequences = sequences
        self._gate = gate

    def similarities(
        self,
        descriptor: Signature,
        *,
        before: int | None = None,
        left: bool = False,
        beside: Sequence[Place] = (),
        position: Position | None = None,
    ) -> Similarities:
        """Of the next query.

        Only places last seen before index `before` may match (all where None), and with `left`
        only those that the view has left since. `beside` are places whose neighbours are wanted.
        """
        gate = None if position is None else self._gate
        rows, usual = self._shortlist(descriptor, before, beside, gated=gate is not None)
        scores = self._centring.scores(self.database, descriptor, rows)
        recent = self.database.too_recent(before, rows)
        if gate is not None and position is not None:
            recent |= self.database.beyond(gate, position, rows)
        lingering = np.zeros(len(scores), bool)
        if left and len(scores):
            lingering = never_left(self.database.on_one_scale(scores))
        return Similarities(rows, scores, recent, lingering, usual)

    def compare(self, descriptor: Signature, found: Similarities, level: Level) -> Comparison:
        """The next query, its similarities set against that level."""
        prominence, alignments = level.prominence(found.scores), None
        hidden = found.recent | found.lingering
        if self._sequences is not None:
            past = len(found.usual)
            alignments = self._sequences.align(
                prominence[:past], hidden[:past], self.database.first
            )
        return Comparison(
            self.database,
            descriptor,
            found.rows,
            found.scores,
            self.database.orders(found.rows),
            hidden,
            found.lingering & ~found.recent,
            found.usual,
            prominence,
            level,
            alignments,
        )

    def by_words(
        self,
        words: Signature,
        most: int,
        *,
        before: int | None = None,
        left: bool = False,
        position: Position | None = None,
    ) -> NDArray[np.int64]:
        """(K,) rows of the places that have most in common with the next query by their words, best
        first, distinct in time, at most `most`; none where the database has no words.

        Which may match is as for `similarities`, but whether the view has left since the words say.
        """
        index = self.database.words
        if index is None or not len(index):
            return np.empty(0, np.int64)
        scores, rows = index.scores(words), np.arange(len(index))
        hidden = self.database.too_recent(before, rows) | (scores <= 0)
        if left:
            hidden |= never_left(index.on_one_scale(scores))
        if self._gate is not None and position is not None:
            hidden |= self.database.beyond(self._gate, position, rows)
        found = rows[~hidden]
        return found[distinct_in_time(scores[found], self.database.orders(found), most)]

    def _shortlist(
        self, descriptor: Signature, before: int | None, beside: Sequence[Place], *, gated: bool
    ) -> Shortlist:
        """What the next query is compared with. A sequence passes places that look like nothing,
        centred descriptors are other ones than those that are coded, and where positions count the
        most similar ones may all be elsewhere: all, then."""
        if self._sequences is not None or self._centring.changes or gated:
            return self.database.everything(before)
        return self.database.shortlist(descriptor, before, beside)
