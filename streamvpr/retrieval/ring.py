"""Descriptors that come from local features, kept and searched as a network's are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.descriptor_ring import DescriptorRing

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RetrieverRing(DescriptorRing):
    """A ring of descriptors with what `Index` asks for besides."""

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return len(self) * self.bytes_each

    def on_one_scale(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N,) the cosines: those of the same view are 1 already."""
        return np.minimum(scores, 1)
