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

    @property
    def nbytes(self) -> int:
        """Bytes that are kept for it."""
        return self.words.nbytes + self.counts.nbytes
