"""Descriptors of the newest places, and codes of their signs for when there are very many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr import hamming
from streamvpr.row_ring import RowRing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor

    Rows = NDArray[np.int64]

# Up to so many, all descriptors are read for each query: some milliseconds beside a model's tens.
FEW = 32_768
# Descriptors are coded so many at a time: one by one costs ten times as much.
BLOCK = 256
# The centre is learned when there are FEW, and once more when there are so many times more. Later
# ones would move it little, and all codes are made anew for it.
RELEARNED = 4
NEVER = 2**62
# Descriptors that are gathered from all over the ring for one product.
GATHERED = 512


class DescriptorRing(RowRing):
    """A ring of the newest `capacity` descriptors.

    A ring of more than FEW also has a code of one bit a dimension: the sign of what a descriptor
    differs by from the mean. The bits that differ grow with the angle between what two differ by
    (Charikar, STOC 2002), so that a read of the codes, a thirty-second of the descriptors, finds
    those that are worth a product.

    Memory is `capacity * bytes_each`, touched as it fills.
    """

    reaches_one = True

    def __init__(self, capacity: int, dimension: int) -> None:
        """Raises ValueError for sizes below 1."""
        if capacity < 1 or dimension < 1:
            raise ValueError(f"capacity {capacity} and dimension {dimension} must be 1 or more")
        super().__init__(capacity)
        self.dimension = dimension
        # Zeros and not empty: the pages come from the system when they are first written.
        self._vectors = np.zeros((capacity, dimension), np.float32)
        self._codes = np.zeros((capacity if capacity > FEW else 0, -(-dimension // 8)), np.uint8)
        self._centre = np.zeros(dimension, np.float32)
        # Number of those that were coded or evicted, counted from the first ever added.
        self._coded = 0
        self._code_at = FEW
        self._learn_at = FEW

    @property
    def coded(self) -> int:
        """How many of the first rows have a code; 0 where there are few."""
        return max(0, self._coded - self.first)

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return self.bytes_each * len(self)

    @property
    def bytes_each(self) -> int:
        """Bytes of a descriptor and its code."""
        code = self._codes.shape[1] if len(self._codes) else 0
        return self._vectors.itemsize * self.dimension + code

    def add(self, descriptor: Descriptor) -> None:
        """Keep a descriptor (D,), dropping the oldest of a full ring."""
        self._vectors[self.added % self.capacity] = descriptor
        self.added += 1
        if self.added >= self._code_at and len(self._codes):
            self._code()

    def extend(self, descriptors: NDArray[np.float32], *, centre: Descriptor | None = None) -> None:
        """Keep (N, D) descriptors at once, of which a ring that is empty has room for all.

        `centre` (D,) is the mean of all where these are a part of more: they are coded, then,
        however few they are.
        """
        if self.added or len(descriptors) > self.capacity:
            raise ValueError(f"{len(descriptors)} at once for an empty ring of {self.capacity}")
        self._vectors[: len(descriptors)] = descriptors
        self.added = len(descriptors)
        if centre is not None:
            self._codes = np.zeros((self.capacity, -(-self.dimension // 8)), np.uint8)
            self._centre, self._learn_at = centre, NEVER
        if len(self._codes) and (centre is not None or self.added >= self._code_at):
            self._code()

    def scores(self, descriptor: Descriptor) -> NDArray[np.float32]:
        """(N,) products with all, oldest first: two contiguous slices of the ring."""
        scores = np.empty(len(self), np.float32)
        done = 0
        for part in self._parts(0, len(self)):
            vectors = self._vectors[part]
            np.dot(vectors, descriptor, out=scores[done : done + len(vectors)])
            done += len(vectors)
        return scores

    def scores_of(self, rows: Rows, descriptor: Descriptor) -> NDArray[np.float32]:
        """(K,) products with those of `rows` (K,), which are counted from the oldest."""
        slots = self.slots(rows)
        scores = np.empty(len(rows), np.float32)
        # So many at a time that they stay in the processor's cache until the product.
        gathered = np.empty((min(GATHERED, len(rows)), self.dimension), np.float32)
        for start in range(0, len(rows), GATHERED):
            part = slots[start : start + GATHERED]
            # Of its modes only this one writes straight into `out`; slots are all within.
            vectors = self._vectors.take(part, 0, gathered[: len(part)], mode="clip")
            np.dot(vectors, descriptor, out=scores[start : start + len(part)])
        return scores

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines are."""
        return scores

    def vector(self, row: int) -> Descriptor:
        """The descriptor (D,) of a row."""
        found: Descriptor = self._vectors[self.slot(row)]
        return found

    def exact_score(self, row: int, descriptor: Descriptor) -> float:
        """Product with that of a row; unlike `scores`, which may round differently with the number
        of rows, the same whatever else is kept."""
        kept = self.vector(row)
        return float(kept.astype(np.float64) @ descriptor.astype(np.float64))

    def nearest(self, descriptors: NDArray[np.float32], most: int, end: int) -> Rows:
        """(Q, K) rows whose codes are nearest to those of (Q, D) descriptors, nearest first.

        Of the coded rows before row `end`; K is `most`, or their number where that is less. The
        codes are read once for all of the descriptors.
        """
        return self.nearest_by_bits(descriptors, most, end)[1]

    def nearest_by_bits(
        self, descriptors: NDArray[np.float32], most: int, end: int
    ) -> tuple[NDArray[np.int32], Rows]:
        """(Q, K) each: how many bits are others, and the rows of `nearest`."""
        queries = self._bits(descriptors)
        apart, rows, passed = [], [], 0
        for part in self._parts(0, min(end, self.coded)):
            codes = self._codes[part]
            bits, where = hamming.nearest(queries, codes, min(most, len(codes)))
            apart.append(bits)
            rows.append(where + passed)
            passed += len(codes)
        return merge_nearest(apart, rows, len(descriptors), most)

    def _code(self) -> None:
        """Code what has come since, and all anew where the centre is learned anew."""
        begin = max(self._coded, self.first)
        if self._is_to_learn:
            self._learn_at *= RELEARNED
            begin = self.first
            total = sum(sum_of(self._vectors[part]) for part in self._parts(0, len(self)))
            self._centre = np.asarray(total / len(self), np.float32)
        for part in self._parts(begin - self.first, len(self)):
            for start in range(part.start, part.stop, BLOCK):
                block = slice(start, min(start + BLOCK, part.stop))
                self._codes[block] = self._bits(self._vectors[block])
        self._coded = self.added
        self._code_at = self.added + BLOCK

    @property
    def _is_to_learn(self) -> bool:
        """Whether the centre is due. Very many that came at once have none yet."""
        few_enough = self.added <= FEW * RELEARNED or self._learn_at == FEW
        return self._learn_at <= self.added and few_enough

    def _bits(self, descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.packbits(descriptors > self._centre, axis=1)

    def _parts(self, begin: int, end: int) -> Iterator[slice]:
        """The slots of rows `begin` to `end`, oldest first: at most two contiguous slices."""
        start = self.slot(begin)
        stop = start + end - begin
        if stop > start:
            yield slice(start, min(stop, self.capacity))
        if stop > self.capacity:
            yield slice(0, stop - self.capacity)


def sum_of(descriptors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(D,) sum of (N, D) descriptors: exact enough that parts of them add up to the same centre."""
    return np.asarray(descriptors.sum(axis=0, dtype=np.float64), np.float64)


def merge_nearest(
    apart: Sequence[NDArray[np.int32]], rows: Sequence[Rows], queries: int, most: int
) -> tuple[NDArray[np.int32], Rows]:
    """(Q, K) each: the `most` nearest of several parts, of which each has (Q, ...) bits and rows.

    Of those as near as each other, those of the first part come first.
    """
    if len(rows) == 1:
        return apart[0], rows[0]
    if not rows:
        return np.empty((queries, 0), np.int32), np.empty((queries, 0), np.int64)
    bits, numbers = np.concatenate(apart, axis=1), np.concatenate(rows, axis=1)
    order = np.argsort(bits, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(bits, order, axis=1), np.take_along_axis(numbers, order, axis=1)
