"""VLAD: how the features of a picture lie around the words that they are nearest to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.parameters import Parameters
from streamvpr.retrieval.projection import Projection
from streamvpr.retrieval.ring import RetrieverRing
from streamvpr.retrieval.sampling import sampled, unheard
from streamvpr.retrieval.unit_vectors import NUMBERS, unit_vectors, vectors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, FeatureKind, Features
    from streamvpr.retrieval.sampling import Progress

CENTRES = 64
# Half of them, 2 KB a place, cost 0.03 to 0.05 of average precision; all, 32 KB, gain up to 0.05.
AXES = 1023
# Shorter than this is nothing but rounding.
LEAST_RESIDUAL = 1e-5


@dataclass(frozen=True, slots=True)
class Vlad:
    """VLAD (Jégou et al., CVPR 2010), intra-normalised (Arandjelović and Zisserman, CVPR 2013).

    Of each word the sum of what its features differ by from its centre, brought to length 1 so that
    a façade of one repeated window does not outweigh all else; the words' sums one after the other,
    brought to length 1; along their principal axes, and brought to length 1 once more. One product
    of matrices finds the words of all features. The features' order does not matter.
    """

    name: ClassVar[str] = "vlad"
    kind: FeatureKind
    centres: NDArray[np.float32]
    """(K, d)."""
    projection: Projection

    @property
    def dimension(self) -> int:
        """Numbers of a descriptor."""
        return self.projection.dimension

    def describe(self, features: Features) -> Descriptor:
        """(D,) float32 of length 1; of none `featureless`. Raises ValueError for another kind."""
        vectors = vectors_of(features, self.kind)
        if not len(vectors):
            return self.projection.nothing
        return self.projection.descriptor(residuals(vectors, self.centres))

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
        axes: int = AXES,
    ) -> Self:
        """Learn of the descriptors (N, ...) of each picture, the same for the same seed.

        Raises ValueError for too few of them.
        """
        learned = learn_centres(sampled(pictures, kind, seed), centres, seed, progress)
        described = (residuals(unit_vectors(p, kind), learned)[None] for p in pictures if len(p))
        return cls(kind, learned, Projection.learn(described, axes))

    def parameters(self) -> Parameters:
        """What `of` makes it from again."""
        return Parameters(self.name, self.kind, {"centres": self.centres, **self.projection.arrays})

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """That of a file's parameters. Raises ModelError for what does not fit together."""
        centres = parameters.floats("centres", None, NUMBERS[parameters.kind])
        return cls(
            parameters.kind, centres, Projection.of(parameters, len(centres), centres.shape[1])
        )


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
