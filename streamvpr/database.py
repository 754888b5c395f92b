"""The past: descriptors in a preallocated ring, searched exactly and causally."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Candidate
from streamvpr.matching import distinct_in_time, never_left

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, Place


class PlaceDatabase:
    """A ring of the newest `capacity` places of one stream.

    The cost of `add` is constant; that of `search` is one read of the admissible descriptors. The
    ring is `capacity * dimension * 4` bytes from the start, touched as it fills.
    """

    def __init__(self, capacity: int, dimension: int) -> None:
        if capacity < 1 or dimension < 1:
            raise ValueError(f"capacity {capacity} and dimension {dimension} must be 1 or more")
        self.capacity = capacity
        self.dimension = dimension
        # Zeros and not empty: the pages come from the system when they are first written.
        self._descriptors = np.zeros((capacity, dimension), np.float32)
        self._indices = np.zeros(capacity, np.int64)
        self._places: list[Place | None] = [None] * capacity
        self._added = 0
        self._place_bytes = 0
        # Places that later frames still showed: index to the newest such frame's index.
        self._seen_since: dict[int, int] = {}

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    @property
    def nbytes(self) -> int:
        """Bytes of descriptors, features and thumbnails that are kept now."""
        return self._descriptors.itemsize * self.dimension * len(self) + self._place_bytes

    def add(self, place: Place, descriptor: Descriptor) -> None:
        """Keep a place, dropping the oldest of a full ring. Indices must increase."""
        if descriptor.shape != (self.dimension,):
            raise ValueError(f"descriptor {descriptor.shape} in a ring of ({self.dimension},)")
        slot = self._added % self.capacity
        newest = self._indices[(self._added - 1) % self.capacity]
        if self._added and place.index <= newest:
            raise ValueError(f"place {place.index} after {newest}: indices must increase")
        self._descriptors[slot] = descriptor
        self._indices[slot] = place.index
        evicted = self._places[slot]
        self._place_bytes += _place_bytes(place)
        self._place_bytes -= 0 if evicted is None else _place_bytes(evicted)
        self._places[slot] = place
        self._added += 1

    def mark_seen(self, index: int, at: int) -> None:
        """Note that frame `at` still showed the view of place `index`.

        The place counts as as new as that frame: it can't match before its exclusion has run out.
        """
        self._seen_since[index] = at

    def search(
        self, descriptor: Descriptor, *, most: int, before: int | None = None, left: bool = False
    ) -> list[Candidate]:
        """The most similar places, best first, distinct in time, at most `most`.

        Only places that were last seen before index `before` are ranked (all where None), and with
        `left` only those that the view has left since: what is excluded never hides an older
        match. Exact: the result is that of sorting all of them by (similarity, older first).
        """
        scores = self.scores(descriptor)
        hidden, _ = self.too_recent(before)
        if left and len(scores):
            hidden |= never_left(scores)
        rows = np.flatnonzero(~hidden)
        picked = rows[distinct_in_time(scores[rows], self.indices()[rows], most)]
        return [
            Candidate(self.place(int(row)), self.exact_score(int(row), descriptor))
            for row in picked
        ]

    @property
    def first(self) -> int:
        """Number of the oldest kept place, counted from the first ever added."""
        return self._added - len(self)

    def indices(self) -> NDArray[np.int64]:
        """(N,) indices of the kept places, oldest first."""
        return self._in_order(self._indices)

    def scores(self, descriptor: Descriptor) -> NDArray[np.float32]:
        """(N,) similarity to every place, oldest first: two contiguous slices of the ring."""
        oldest = self._oldest()
        scores = np.empty(len(self), np.float32)
        split = len(self) - oldest
        np.dot(self._descriptors[oldest : len(self)], descriptor, out=scores[:split])
        np.dot(self._descriptors[:oldest], descriptor, out=scores[split:])
        return scores

    def too_recent(self, before: int | None) -> tuple[NDArray[np.bool_], int]:
        """Which places (N,) were not last seen before index `before` (None: all were), and how
        many at the beginning were added before it."""
        recent = np.zeros(len(self), bool)
        if before is None:
            return recent, len(self)
        indices = self.indices()
        past = int(np.searchsorted(indices, before))
        recent[past:] = True
        recent[self._recently_seen(indices, before)] = True
        return recent, past

    def place(self, row: int) -> Place:
        """The place of a row, counted from the oldest."""
        place = self._places[self._slot(row)]
        assert place is not None
        return place

    def exact_score(self, row: int, descriptor: Descriptor) -> float:
        """Similarity to the place of a row; unlike `scores`, whose product may round differently
        with the number of rows, the same whatever else is kept."""
        kept = self._descriptors[self._slot(row)]
        return float(kept.astype(np.float64) @ descriptor.astype(np.float64))

    def _slot(self, row: int) -> int:
        return (self._oldest() + row) % self.capacity

    def _oldest(self) -> int:
        return self._added % self.capacity if self._added > self.capacity else 0

    def _in_order(self, ring: NDArray[np.int64]) -> NDArray[np.int64]:
        """The kept rows of a ring, oldest first; a copy only where it wraps."""
        oldest = self._oldest()
        if oldest == 0:
            return ring[: len(self)]
        return np.concatenate([ring[oldest:], ring[:oldest]])

    def _recently_seen(self, indices: NDArray[np.int64], before: int) -> list[int]:
        """Rows of the places that a frame from `before` on still showed."""
        self._seen_since = {i: at for i, at in self._seen_since.items() if at >= before}
        rows = ((int(np.searchsorted(indices, i)), i) for i in self._seen_since)
        return [row for row, index in rows if row < len(indices) and indices[row] == index]


def _place_bytes(place: Place) -> int:
    features = 0 if place.features is None else place.features.nbytes
    return features + (0 if place.thumbnail is None else len(place.thumbnail))
