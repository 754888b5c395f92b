"""Descriptors that come from local features, kept and searched as a network's are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.descriptor_ring import DescriptorRing
from streamvpr.retrieval.projection import is_featureless

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor

    Rows = NDArray[np.int64]


class RetrieverRing(DescriptorRing):
    """A ring of descriptors with what `Index` asks for besides.

    A picture without features is similar to none, not even to another one without.
    """

    reaches_one = False

    def add(self, descriptor: Descriptor) -> None:
        """Keep a descriptor (D,), dropping the oldest of a full ring. Raises ValueError for one of
        another size."""
        if np.shape(descriptor) != (self.dimension,):
            raise ValueError(f"{np.shape(descriptor)} in a ring of {self.dimension} numbers")
        super().add(descriptor)

    def scores(self, descriptor: Descriptor) -> NDArray[np.float32]:
        """(N,) cosines to all, oldest first."""
        return super().scores(_query(descriptor))

    def scores_of(self, rows: Rows, descriptor: Descriptor) -> NDArray[np.float32]:
        """(K,) cosines to those of `rows` (K,), which are counted from the oldest."""
        return super().scores_of(rows, _query(descriptor))

    def exact_score(self, row: int, descriptor: Descriptor) -> float:
        """Cosine to that of a row, the same whatever else is kept."""
        return super().exact_score(row, _query(descriptor))

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relative to the most similar: two views of one place have features of their own."""
        largest = float(scores.max(initial=0.0))
        return scores / np.float32(largest) if largest > 0 else scores


def _query(descriptor: Descriptor) -> Descriptor:
    return np.zeros_like(descriptor) if is_featureless(descriptor) else descriptor
