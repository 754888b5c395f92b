"""The words of one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bag:
    """How often a picture holds which words."""

    words: NDArray[np.int32]
    """(M,) increasing."""
    counts: NDArray[np.int32]
    """(M,) 1 or more."""

    @classmethod
    def of(cls, words: NDArray[np.int64]) -> Bag:
        """That of words (N,), one for each feature."""
        found, counts = np.unique(words, return_counts=True)
        return cls(found.astype(np.int32), counts.astype(np.int32))

    def similarity(self, other: Bag) -> float:
        """Cosine of the counts, 0 to 1: of two pictures by themselves."""
        _, here, there = np.intersect1d(
            self.words, other.words, assume_unique=True, return_indices=True
        )
        lengths = _length(self.counts) * _length(other.counts)
        product = float(self.counts[here].astype(np.float64) @ other.counts[there])
        return product / lengths if lengths else 0.0

    @property
    def nbytes(self) -> int:
        """Bytes that are kept for it."""
        return self.words.nbytes + self.counts.nbytes


def _length(counts: NDArray[np.int32]) -> float:
    return float(np.sqrt(np.sum(np.square(counts, dtype=np.float64))))
