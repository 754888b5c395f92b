"""The descriptors of some pictures, by chance, of however many come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PictureSample:
    """An even sample of pictures (Vitter's algorithm R, TOMS 1985): each is kept as likely as any.

    Whole pictures, since how many of them hold a word is what words are weighted by.
    """

    def __init__(self, most: int, seed: int) -> None:
        self.pictures = 0
        """How many came."""
        self.descriptors = 0
        """How many they had."""
        self._most = most
        self._chance = np.random.default_rng(seed)
        self._kept: list[NDArray[np.uint8]] = []

    def add(self, descriptors: NDArray[np.uint8]) -> None:
        """Take a picture's (N, 32), or let it go."""
        self.pictures += 1
        self.descriptors += len(descriptors)
        if len(self._kept) < self._most:
            self._kept.append(descriptors)
            return
        place = int(self._chance.integers(self.pictures))
        if place < self._most:
            self._kept[place] = descriptors

    @property
    def kept(self) -> int:
        """How many pictures it holds."""
        return len(self._kept)

    def table(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """(M, 32) descriptors of those that are kept, and (M,) the picture of each."""
        if not self._kept:
            return np.empty((0, 32), np.uint8), np.empty(0, np.int64)
        numbers = np.repeat(np.arange(len(self._kept)), [len(part) for part in self._kept])
        return np.concatenate(self._kept), numbers
