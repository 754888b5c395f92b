"""The past: descriptors in a preallocated ring, searched exactly and causally."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Candidate
from streamvpr.matching import best_elsewhere, distinct_in_time

if TYPE_CHECKING:
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
        # Places that later frames still showed: index to the newest such frame's index.
        self._seen_since: dict[int, int] = {}

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    @property
    def nbytes(self) -> int:
        """Bytes of descriptors, features and thumbnails that are kept now."""
        kept = sum(_place_bytes(place) for place in self._places if place is not None)
        return self._descriptors.itemsize * self.dimension * len(self) + kept

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
        self._places[slot] = place
        self._added += 1

    def mark_seen(self, index: int, at: int) -> None:
        """Note that frame `at` still showed the view of place `index`.

        The place counts as as new as that frame: it can't match before its exclusion has run out.
        """
        self._seen_since[index] = at

    def search(
        self, descriptor: Descriptor, *, most: int, before: int | None = None
    ) -> list[Candidate]:
        """The most similar places, best first, distinct in time, at most `most`.

        Only places that were last seen before index `before` are ranked (all where None): what is
        excluded never hides an older match. Exact: the result is that of sorting all of them by
        (similarity, older first).
        """
        admissible = self._admissible(before)
        if admissible == 0:
            return []
        scores = self._scores(descriptor, admissible)
        indices = self._in_order(self._indices, admissible)
        if before is not None:
            self._hide_recently_seen(scores, indices, before)
        picked = distinct_in_time(scores, indices, most)
        return [self._candidate(row, descriptor, scores, indices) for row in picked]

    def _oldest(self) -> int:
        return self._added % self.capacity if self._added > self.capacity else 0

    def _admissible(self, before: int | None) -> int:
        """How many of the kept places, oldest first, have an index below `before`."""
        if before is None:
            return len(self)
        return int(np.searchsorted(self._in_order(self._indices, len(self)), before))

    def _in_order(self, ring: np.ndarray, count: int) -> np.ndarray:
        """The oldest `count` rows of a ring; a copy only where it wraps."""
        oldest = self._oldest()
        head = ring[oldest : oldest + count]
        rest = count - len(head)
        return head if rest <= 0 else np.concatenate([head, ring[:rest]])

    def _scores(self, descriptor: Descriptor, count: int) -> np.ndarray:
        oldest = self._oldest()
        scores = np.empty(count, np.float32)
        first = min(count, self.capacity - oldest)
        np.dot(self._descriptors[oldest : oldest + first], descriptor, out=scores[:first])
        if count > first:
            np.dot(self._descriptors[: count - first], descriptor, out=scores[first:])
        return scores

    def _hide_recently_seen(self, scores: np.ndarray, indices: np.ndarray, before: int) -> None:
        self._seen_since = {i: at for i, at in self._seen_since.items() if at >= before}
        for index in self._seen_since:
            row = int(np.searchsorted(indices, index))
            if row < len(indices) and indices[row] == index:
                scores[row] = -np.inf

    def _candidate(
        self, row: int, descriptor: Descriptor, scores: np.ndarray, indices: np.ndarray
    ) -> Candidate:
        slot = (self._oldest() + row) % self.capacity
        place = self._places[slot]
        assert place is not None
        # The product above may round differently with the number of rows; this one never does.
        score = float(self._descriptors[slot].astype(np.float64) @ descriptor.astype(np.float64))
        elsewhere = best_elsewhere(scores, indices, row)
        margin = 0.0 if elsewhere is None else score - elsewhere
        return Candidate(place=place, score=score, margin=margin)


def _place_bytes(place: Place) -> int:
    features = 0 if place.features is None else place.features.nbytes
    return features + (0 if place.thumbnail is None else len(place.thumbnail))
