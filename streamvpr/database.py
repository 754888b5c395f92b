"""The past: places and their descriptors in preallocated rings, searched causally."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.descriptor_ring import DescriptorRing
from streamvpr.earth import distances
from streamvpr.frames import Candidate
from streamvpr.matching import distinct_in_time, never_left
from streamvpr.shortlist import Shortlist, candidates, everything, shortlist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Place, PlaceKey, Position
    from streamvpr.retrieval.base import Index, Signature


class PlaceDatabase:
    """A ring of the newest `capacity` places of one stream.

    The cost of `add` is constant. Up to some 32,000 places a search reads every admissible
    descriptor; of more it reads their codes, and the descriptors of some thousands.
    """

    def __init__(
        self,
        capacity: int,
        dimension: int,
        index: Index | None = None,
        *,
        words: Index | None = None,
    ) -> None:
        """`index` is an empty one of that capacity where places are found by something else than
        descriptors (D,); `dimension` is 0 then. `words` is one more, which finds places of its own.
        Raises ValueError for sizes below 1."""
        self.words = words
        self._ring: Index = DescriptorRing(capacity, dimension) if index is None else index
        self.capacity = capacity
        self.dimension = dimension
        self._orders = np.zeros(capacity, np.int64)
        self._places: list[Place | None] = [None] * capacity
        # Latitude and longitude in degrees; made with the first place that has them.
        self._positions: NDArray[np.float64] | None = None
        self._place_bytes = 0
        # Places that later frames still showed: index to the newest such frame's index.
        self._seen_since: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def nbytes(self) -> int:
        """Bytes of descriptors, their codes, features and thumbnails that are kept now."""
        words = 0 if self.words is None else self.words.nbytes
        return self._ring.nbytes + words + self._place_bytes

    def add(self, place: Place, descriptor: Signature, words: Signature = None) -> None:
        """Keep a place, dropping the oldest of a full ring. Indices must increase.

        `words` are for the index of words, where there is one.
        """
        if self.dimension and descriptor.shape != (self.dimension,):
            raise ValueError(f"descriptor {descriptor.shape} in a ring of ({self.dimension},)")
        slot = self._ring.slot(len(self))
        newest = self._orders[slot - 1]
        if len(self) and place.index <= newest:
            raise ValueError(f"place {place.index} after {newest}: indices must increase")
        self._ring.add(descriptor)
        if self.words is not None:
            self.words.add(words)
        self._orders[slot] = place.index
        evicted = self._places[slot]
        self._place_bytes += _place_bytes(place)
        self._place_bytes -= 0 if evicted is None else _place_bytes(evicted)
        self._places[slot] = place
        self._set_position(slot, place.position)

    def mark_seen(self, index: int, at: int) -> None:
        """Note that frame `at` still showed the view of place `index`.

        The place counts as as new as that frame: it can't match before its exclusion has run out.
        """
        self._seen_since[index] = at

    def search(
        self, descriptor: Signature, *, most: int, before: int | None = None, left: bool = False
    ) -> list[Candidate]:
        """The most similar places, best first, distinct in time, at most `most`.

        Only places that were last seen before index `before` are ranked (all where None), and with
        `left` only those that the view has left since: what is excluded never hides an older
        match. The result is that of sorting them by (similarity, older first); of more than some
        32,000 those that the shortlist names.
        """
        if left or not isinstance(self._ring, DescriptorRing):
            rows = self.shortlist(descriptor, before).rows
        else:
            rows = candidates(self._ring, descriptor, self._past(before))
        scores = self.scores(descriptor, rows)
        hidden = self.too_recent(before, rows)
        if left and len(scores):
            hidden |= never_left(self.on_one_scale(scores))
        rows, scores = rows[~hidden], scores[~hidden]
        picked = rows[distinct_in_time(scores, self.orders(rows), most)]
        return [
            Candidate(self.place(int(row)), self.exact_score(int(row), descriptor))
            for row in picked
        ]

    @property
    def first(self) -> int:
        """Number of the oldest kept place, counted from the first ever added."""
        return self._ring.first

    def shortlist(
        self, descriptor: Signature, before: int | None = None, beside: Sequence[Place] = ()
    ) -> Shortlist:
        """The rows that a query (D,) is compared with: where there are few, all.

        Old enough are those before index `before`; `beside` are places whose neighbours are wanted
        in any case.
        """
        if not isinstance(self._ring, DescriptorRing):
            return self.everything(before)
        near = [self.row_of(place) for place in beside]
        return shortlist(self._ring, descriptor, self._past(before), near)

    def everything(self, before: int | None = None) -> Shortlist:
        """All rows."""
        return everything(len(self), self._past(before))

    def order_of(self, place: Place) -> int:
        """Where a place stands among the others: they are a step apart who were seen one after the
        other. Of one stream alone that is its index."""
        return place.index

    def row(self, order: int) -> int:
        """How many of the kept places stand before `order`: the row of the place that stands there,
        where it is kept."""
        oldest = self._ring.slot(0)
        row = int(np.searchsorted(self._orders[oldest : len(self)], order))
        if row == len(self) - oldest:
            row += int(np.searchsorted(self._orders[:oldest], order))
        return row

    def row_of(self, place: Place) -> int:
        """The row of a place; where it is not kept any more, how many stand before it."""
        return self.row(self.order_of(place))

    def orders(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(K,) increasing: where the places of rows stand, which are counted from the oldest."""
        return self._orders[self._ring.slots(rows)]

    def scores(
        self, descriptor: Signature, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """(K,) similarity to the places of rows, or to all, oldest first."""
        if rows is None or len(rows) == len(self):
            return self._ring.scores(descriptor)
        return self._ring.scores_of(rows, descriptor)

    @property
    def reaches_one(self) -> bool:
        """Whether two views of one place are nearly 1 alike, as a network's descriptors are."""
        return self._ring.reaches_one

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Similarities (K,) of one query on a scale on which 1 is the same view."""
        return self._ring.on_one_scale(scores)

    def too_recent(self, before: int | None, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the places of increasing rows (K,) were not last seen before index `before`.

        Where that is None, all were.
        """
        if before is None:
            return np.zeros(len(rows), bool)
        recent = np.asarray(rows >= self.row(before), bool)
        seen = np.array(self._recently_seen(before), np.int64)
        at = np.searchsorted(rows, seen)
        seen, at = seen[at < len(rows)], at[at < len(rows)]
        recent[at[rows[at] == seen]] = True
        return recent

    def beyond(
        self, metres: float, position: Position, rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which of the places of rows (K,) lie further from a position than that.

        A place whose position is not known does not.
        """
        if self._positions is None:
            return np.zeros(len(rows), bool)
        kept = self._positions[self._ring.slots(rows)]
        return np.asarray(distances(position, kept[:, 0], kept[:, 1]) > metres, bool)

    def place(self, row: int) -> Place:
        """The place of a row, counted from the oldest."""
        place = self._places[self._ring.slot(row)]
        assert place is not None
        return place

    def key(self, row: int) -> PlaceKey:
        """What tells the place of a row apart, also where the rest of it must be read first."""
        return self.place(row).key

    def holds(self, place: Place) -> bool:
        """Whether a place is one of these."""
        row = self.row_of(place)
        return row < len(self) and self.place(row).key == place.key

    def pictured(self, place: Place) -> Place:
        """A place of these with its thumbnail, where that is kept."""
        return place

    def exact_score(self, row: int, descriptor: Signature) -> float:
        """Similarity to the place of a row, the same whatever else is kept."""
        return self._ring.exact_score(row, descriptor)

    def _set_position(self, slot: int, position: Position | None) -> None:
        if self._positions is None and position is not None:
            self._positions = np.full((self.capacity, 2), np.nan)
        if self._positions is not None:
            unknown = (np.nan, np.nan)
            self._positions[slot] = (
                unknown if position is None else (position.latitude, position.longitude)
            )

    def _past(self, before: int | None) -> int:
        """How many of the first rows were added before index `before`."""
        return len(self) if before is None else self.row(before)

    def _recently_seen(self, before: int) -> list[int]:
        """Rows of the places that a frame from `before` on still showed."""
        self._seen_since = {i: at for i, at in self._seen_since.items() if at >= before}
        rows = [(self.row(index), index) for index in self._seen_since]
        return [r for r, index in rows if r < len(self) and self.place(r).index == index]


def _place_bytes(place: Place) -> int:
    features = 0 if place.features is None else place.features.nbytes
    return features + (0 if place.thumbnail is None else len(place.thumbnail))
