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
        self.kept: list[NDArray[np.uint8]] = []
        """The descriptors (N, ...) of the pictures that it holds."""

    def add(self, descriptors: NDArray[np.uint8]) -> None:
        """Take a picture's (N, ...), or let it go."""
        self.pictures += 1
        self.descriptors += len(descriptors)
        if len(self.kept) < self._most:
            self.kept.append(descriptors)
            return
        place = int(self._chance.integers(self.pictures))
        if place < self._most:
            self.kept[place] = descriptors

    def table(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """(M, 32) ORB descriptors of those that are kept, and (M,) the picture of each."""
        if not self.kept:
            return np.empty((0, 32), np.uint8), np.empty(0, np.int64)
        numbers = np.repeat(np.arange(len(self.kept)), [len(part) for part in self.kept])
        return np.concatenate(self.kept), numbers
