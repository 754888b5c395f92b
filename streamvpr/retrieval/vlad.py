"""VLAD: how the features of a picture lie around the words that they are nearest to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.local_axes import LocalAxes
from streamvpr.retrieval.parameters import Parameters
from streamvpr.retrieval.projection import featureless, unit_descriptor
from streamvpr.retrieval.ring import RetrieverRing
from streamvpr.retrieval.sampling import sampled, unheard
from streamvpr.retrieval.unit_vectors import vectors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, FeatureKind, Features
    from streamvpr.retrieval.sampling import Progress

# As many numbers as of 64 centres with all 128 axes, or of two times 64 with 64: these find as
# much, and from one seed to another it is less a matter of chance what they find.
CENTRES, LOCAL_AXES = 256, 32
# Shorter than this is nothing but rounding.
LEAST_RESIDUAL = 1e-5


@dataclass(frozen=True, slots=True)
class Vlad:
    """VLAD (Jégou et al., CVPR 2010), intra-normalised (Arandjelović and Zisserman, CVPR 2013).

    Features along the principal axes of all features; of each word the sum of what its features
    differ by from its centre, brought to length 1 so that a façade of one repeated window does not
    outweigh all else; of all numbers the signed square roots (Jégou et al., PAMI 2012), so that a
    few do not; brought to length 1. One product of matrices finds the words of all features, whose
    order does not matter.
    """

    name: ClassVar[str] = "vlad"
    kind: FeatureKind
    local: LocalAxes
    """Of all features, d' of them."""
    centres: NDArray[np.float32]
    """(K, d')."""

    @property
    def dimension(self) -> int:
        """Numbers of a descriptor: K times d', and one for pictures without features."""
        return self.centres.size + 1

    @property
    def words(self) -> int:
        """How many centres there are."""
        return len(self.centres)

    def describe(self, features: Features) -> Descriptor:
        """(D,) float32 of length 1; of none `featureless`. Raises ValueError for another kind."""
        vectors = vectors_of(features, self.kind)
        if not len(vectors):
            return featureless(self.dimension)
        summed = residuals(self.local.along(vectors), self.centres).ravel()
        return unit_descriptor(np.sign(summed) * np.sqrt(np.abs(summed)))

    def open_index(self, capacity: int) -> RetrieverRing:
        """An empty ring of its descriptors."""
        return RetrieverRing(capacity, self.dimension)

    @classmethod
    def learn(
        cls,
        pictures: Sequence[NDArray[np.generic]],
        kind: FeatureKind,
        seed: int,
        progress: Progress = unheard,
        *,
        centres: int = CENTRES,
        local_axes: int = LOCAL_AXES,
    ) -> Self:
        """Learn of the descriptors (N, ...) of each picture, the same for the same seed.

        Raises ValueError for too few of them.
        """
        vectors = sampled(pictures, kind, seed)
        local = LocalAxes.learn(vectors, local_axes)
        return cls(kind, local, learn_centres(local.along(vectors), centres, seed, progress))

    def parameters(self) -> Parameters:
        """What `of` makes it from again."""
        return Parameters(self.name, self.kind, {**self.local.arrays, "centres": self.centres})

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """That of a file's parameters. Raises ModelError for what does not fit together."""
        local = LocalAxes.of(parameters)
        return cls(parameters.kind, local, parameters.floats("centres", None, len(local.axes)))


def residuals(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, d) of length 1 over all: sums of what vectors (N, d) differ by from their centres (K, d),
    each of one length."""
    chosen = nearest(vectors, centres)
    counts = np.bincount(chosen, minlength=len(centres)).astype(np.float32)
    belongs = np.zeros((len(vectors), len(centres)), np.float32)
    belongs[np.arange(len(vectors)), chosen] = 1
    sums = belongs.T @ vectors - counts[:, None] * centres
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # A word without features, or with one that lies in its centre, says nothing.
    told = lengths > LEAST_RESIDUAL
    words = max(1, int(np.count_nonzero(told)))
    return np.asarray(sums * told / (np.maximum(lengths, LEAST_RESIDUAL) * words**0.5), np.float32)
