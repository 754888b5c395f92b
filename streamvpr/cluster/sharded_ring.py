"""Descriptors that lie in the shards of a map, as one ring."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from streamvpr import descriptor_ring
from streamvpr.descriptor_ring import DescriptorRing, merge_nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, Remembered

    Rows = NDArray[np.int64]

# Places with their descriptors and features that were asked for lately, 45 kB each: a query looks
# at what the one before looked at.
KEPT = 512


class Shards(Protocol):
    """Whoever asks the shards of a map."""

    def ask(self, method: str, arguments: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        """What a method of each shard answers, all at once; arguments None: it is not asked, and
        the answer is None. Raises StoreError."""
        ...


class ShardedRing(DescriptorRing):
    """A full ring whose rows lie in shards, in their order. What it finds is what one ring would.

    Of the places that are searched nothing but numbers travels: similarities of all where those are
    few, else rows and bits of the nearest by code, then similarities of the shortlist.
    """

    def __init__(self, shards: Shards, starts: NDArray[np.int64], dimension: int) -> None:
        """`starts` (S + 1,): the first row of each shard, and how many there are."""
        super().__init__(1, dimension)
        self.capacity = self.added = int(starts[-1])
        self._shards = shards
        self._starts = starts
        self.kept = lru_cache(KEPT)(self._kept)

    @property
    def coded(self) -> int:
        """How many of the first rows have a code: all, or of few none."""
        return self.capacity if self.capacity > descriptor_ring.FEW else 0

    @property
    def bytes_each(self) -> int:
        """Bytes that this process keeps of a place: none."""
        return 0

    def scores(self, descriptor: Descriptor) -> NDArray[np.float32]:
        """(N,) products with all."""
        asked = [(descriptor,)] * (len(self._starts) - 1)
        return np.concatenate(self._shards.ask("scores", asked))

    def scores_of(self, rows: Rows, descriptor: Descriptor) -> NDArray[np.float32]:
        """(K,) products with those of increasing `rows` (K,)."""
        cuts = np.searchsorted(rows, self._starts)
        parts = [rows[a:b] for a, b in pairwise(cuts.tolist())]
        firsts = self._starts[:-1]
        asked = [
            (descriptor, part - first) if len(part) else None
            for part, first in zip(parts, firsts, strict=True)
        ]
        answers = self._shards.ask("scores", asked)
        found = [answer for answer in answers if answer is not None]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def nearest_by_bits(
        self, descriptors: NDArray[np.float32], most: int, end: int
    ) -> tuple[NDArray[np.int32], Rows]:
        """(Q, K) each: how many bits are others, and the rows, nearest first, then oldest."""
        firsts = self._starts[:-1]
        ends = np.clip(end - firsts, 0, np.diff(self._starts))
        asked = [(descriptors, most, int(stop)) if stop else None for stop in ends]
        answers = self._shards.ask("nearest", asked)
        found = [(a, first) for a, first in zip(answers, firsts, strict=True) if a is not None]
        bits = [bits for (bits, _), _ in found]
        rows = [rows + first for (_, rows), first in found]
        return merge_nearest(bits, rows, len(descriptors), most)

    def vector(self, row: int) -> Descriptor:
        """The descriptor (D,) of a row."""
        found: Descriptor = self.kept(row).descriptor
        return found

    def _kept(self, row: int) -> Remembered:
        """A place and its descriptor, from the shard that has it."""
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        asked: list[tuple[Any, ...] | None] = [None] * (len(self._starts) - 1)
        asked[shard] = (row - int(self._starts[shard]),)
        found: Remembered = self._shards.ask("kept", asked)[shard]
        return found
