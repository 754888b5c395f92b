"""Places by the binary descriptors that look alike (Schlegel and Grisetti, HBST, RA-L 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr import hamming
from streamvpr.frames import FeatureKind
from streamvpr.retrieval.hamming_tree import BITS, BYTES, HammingTree
from streamvpr.row_ring import RowRing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

    Rows = NDArray[np.int64]
    Bits = NDArray[np.uint8]

# Features of a picture that are looked at.
MOST = 500
# Near descriptors part where they differ in a bit that is tested; in another tree they may not.
TREES = 3
# Bits that the same corner of two pictures differs in at most: the paper's larger distance.
WITHIN = 50


class HbstRetriever:
    """Describes a picture by its most telling ORB features as they are: (K, 32) uint8."""

    name = "hbst"
    kind = FeatureKind.ORB
    dimension = 0

    def __init__(self, most: int = MOST, trees: int = TREES) -> None:
        """By up to `most` features of a picture."""
        self._most, self._trees = most, trees

    def describe(self, features: Features) -> Bits:
        """(K, 32) uint8, K up to `most`: 0 of a picture without features.

        Raises ValueError for features that aren't ORB.
        """
        if features.kind is not self.kind:
            raise ValueError(f"features are {features.kind} and not {self.kind}")
        return np.array(features.descriptors[: self._most], np.uint8, order="C")

    def open_index(self, capacity: int) -> HbstIndex:
        """An empty index of its signatures."""
        return HbstIndex(capacity, self._most, self._trees)


class HbstIndex(RowRing):
    """The descriptors of the newest `capacity` places, in trees.

    A descriptor of the query votes for the places that have one within WITHIN bits in one of the
    leaves that it comes to: the nearer the more, and the more the fewer such places there are.

    A place takes `most * 32` bytes, and some 7 bytes a feature and tree: 27 kB of 500 features in
    three trees. Of a full ring a search takes some milliseconds, and so does adding a place.
    """

    def __init__(self, capacity: int, most: int = MOST, trees: int = TREES) -> None:
        """For signatures (K, 32) of up to `most` descriptors. Raises ValueError for sizes
        below 1."""
        super().__init__(capacity)
        if most < 1 or not 1 <= trees <= BITS:
            raise ValueError(f"{most} features and {trees} trees must be 1 or more")
        self.most = most
        # Zeros and not empty: the pages come from the system when they are first written.
        self._descriptors = np.zeros((capacity * most, BYTES), np.uint8)
        self._counts = np.zeros(capacity, np.int32)
        # No bit is tested by two trees.
        self._trees = [
            HammingTree(self._descriptors, np.arange(first, BITS, trees)) for first in range(trees)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        places = len(self) * (self.most * BYTES + self._counts.itemsize)
        return places + sum(tree.nbytes for tree in self._trees)

    def add(self, signature: Bits) -> None:
        """Keep the descriptors (K, 32) of the newest place; of a full ring the oldest one is let go
        of. Raises ValueError for more than `most` of them, or other ones."""
        self._check(signature)
        slot = self.added % self.capacity
        if self.added >= self.capacity:
            gone = self._numbers(slot)
            for tree in self._trees:
                tree.remove(gone)
        self._counts[slot] = len(signature)
        numbers = self._numbers(slot)
        self._descriptors[numbers] = signature
        for tree in self._trees:
            tree.add(numbers)
        self.added += 1

    def scores(self, signature: Bits) -> NDArray[np.float32]:
        """(N,) similarity to all, oldest first, 0 to 1.

        The mean over the query's descriptors of (1 - distance / WITHIN) log((N + 1) / M) / log(N +
        1): each of the M places that one finds has a vote, by its nearest. Where a leaf has let go
        of older places, M is what it would be if they had as many as the newer ones.

        The sum is exact; what is in the same leaf depends on all that is kept, and was before.
        """
        self._check(signature)
        if not len(self) or not len(signature):
            return np.zeros(len(self), np.float32)
        queries, rows, distances, known = self._nearest_of_places(signature)
        places = np.bincount(queries, minlength=len(signature)) * (len(self) / known)
        rarity = np.log((len(self) + 1) / np.maximum(1, places))
        votes = (1 - distances / WITHIN) * rarity[queries]
        most = len(signature) * np.log(len(self) + 1)
        found = np.bincount(rows, votes, minlength=len(self))
        return np.asarray(found / most, np.float32)

    def scores_of(self, rows: Rows, signature: Bits) -> NDArray[np.float32]:
        """(K,) similarity to those of increasing rows (K,): no faster than to all."""
        return self.scores(signature)[rows]

    def exact_score(self, row: int, signature: Bits) -> float:
        """Similarity to that of a row by comparing all with all, 0 to 1.

        The mean of (1 - distance / WITHIN), 0 where that is below. `scores` has as much at most:
        there, descriptors count less that find several places, and trees miss some.
        """
        self._check(signature)
        kept = self._descriptors[self._numbers(self.slot(row))]
        if not len(kept) or not len(signature):
            return 0.0
        distances = hamming.nearest(np.ascontiguousarray(signature), kept, 1)[0]
        return float(np.maximum(0, 1 - distances / WITHIN).mean())

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Similarities (N,) of one query, divided by the largest of them."""
        largest = scores.max(initial=0)
        return scores / largest if largest > 0 else scores

    def _check(self, signature: Bits) -> None:
        if signature.dtype != np.uint8 or signature.shape[1:] != (BYTES,):
            raise ValueError(f"{signature.dtype} {signature.shape} is not (K, {BYTES}) uint8")
        if len(signature) > self.most:
            raise ValueError(f"{len(signature)} descriptors are more than {self.most}")

    def _numbers(self, slot: int) -> Rows:
        """(K,) numbers of a slot's descriptors."""
        return slot * self.most + np.arange(self._counts[slot])

    def _nearest_of_places(self, signature: Bits) -> tuple[Rows, Rows, Rows, Rows]:
        """(P,) each: descriptors of the query, rows of places, and the least distances; and (Q,)
        how many of the newest places are known to each descriptor."""
        query = np.ascontiguousarray(signature)
        found = [tree.find(query, WITHIN) for tree in self._trees]
        queries = np.concatenate([part.queries for part in found])
        distances = np.concatenate([part.distances for part in found]).astype(np.int64)
        rows = self._rows(np.concatenate([part.numbers for part in found]))
        # Sorted, the nearest of each pair comes first.
        pairs = queries << 40 | rows << 8 | distances
        pairs.sort()
        pairs = pairs[np.flatnonzero(np.diff(pairs >> 8, prepend=-1))]
        # The tree that has let go of least knows most.
        since = [np.where(part.since < 0, 0, self._rows(part.since)) for part in found]
        known = len(self) - np.min(since, axis=0)
        return pairs >> 40, pairs >> 8 & 0xFFFF_FFFF, pairs & 0xFF, known

    def _rows(self, numbers: Rows) -> Rows:
        """(P,) rows of the places that descriptors are of."""
        return (numbers // self.most - self.slot(0)) % self.capacity
