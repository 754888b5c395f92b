"""Fisher vectors: how a picture's features would change what is thought likely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from streamvpr.retrieval.local_axes import LocalAxes
from streamvpr.retrieval.mixture import Mixture
from streamvpr.retrieval.parameters import Parameters
from streamvpr.retrieval.projection import Projection
from streamvpr.retrieval.ring import RetrieverRing
from streamvpr.retrieval.sampling import sampled, unheard
from streamvpr.retrieval.unit_vectors import unit_vectors, vectors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor, FeatureKind, Features
    from streamvpr.retrieval.sampling import Progress

COMPONENTS = 64
LOCAL_AXES = 64
AXES = 1023


@dataclass(frozen=True, slots=True)
class Fisher:
    """The improved Fisher vector (Perronnin, Sánchez and Mensink, ECCV 2010).

    Features along the principal axes of all features, and the gradient of their likelihood by the
    means and the variances of a mixture of normal distributions; signed square roots, length 1;
    along the principal axes of pictures, and length 1 once more. The features' order does not
    matter.
    """

    name: ClassVar[str] = "fisher"
    kind: FeatureKind
    local: LocalAxes
    """Of all features, d' of them."""
    mixture: Mixture
    projection: Projection

    @property
    def dimension(self) -> int:
        """Numbers of a descriptor."""
        return self.projection.dimension

    @property
    def words(self) -> int:
        """How many normal distributions there are."""
        return len(self.mixture.weights)

    def describe(self, features: Features) -> Descriptor:
        """(D,) float32 of length 1; of none `featureless`. Raises ValueError for another kind."""
        vectors = vectors_of(features, self.kind)
        if not len(vectors):
            return self.projection.nothing
        return self.projection.descriptor(gradients(self.local.along(vectors), self.mixture))

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
        components: int = COMPONENTS,
        local_axes: int = LOCAL_AXES,
        axes: int = AXES,
    ) -> Self:
        """Learn of the descriptors (N, ...) of each picture, the same for the same seed.

        Raises ValueError for too few of them.
        """
        vectors = sampled(pictures, kind, seed)
        local = LocalAxes.learn(vectors, local_axes)
        mixture = Mixture.learn(local.along(vectors), components, seed, progress)
        described = (
            gradients(local.along(unit_vectors(p, kind)), mixture)[None] for p in pictures if len(p)
        )
        return cls(kind, local, mixture, Projection.learn(described, axes))

    def parameters(self) -> Parameters:
        """What `of` makes it from again."""
        arrays = {
            **self.local.arrays,
            "weights": self.mixture.weights,
            "means": self.mixture.means,
            "variances": self.mixture.variances,
            **self.projection.arrays,
        }
        return Parameters(self.name, self.kind, arrays)

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """That of a file's parameters. Raises ModelError for what does not fit together."""
        local = LocalAxes.of(parameters)
        mixture = Mixture.of(parameters, len(local.axes))
        projection = Projection.of(parameters, len(mixture.weights), 2 * len(local.axes))
        return cls(parameters.kind, local, mixture, projection)


def gradients(vectors: NDArray[np.float32], mixture: Mixture) -> NDArray[np.float32]:
    """(K, 2d) of length 1 over all: of vectors (N, d), for each component by its mean, then by its
    deviation; the signed square roots of each."""
    shares = mixture.shares(vectors)
    counts = shares.sum(axis=0)[:, None]
    deviations, means = np.sqrt(mixture.variances), mixture.means
    sums, squares = shares.T @ vectors, shares.T @ np.square(vectors)
    by_mean = (sums - counts * means) / deviations
    by_deviation = (squares - 2 * means * sums + counts * np.square(means)) / mixture.variances
    both = np.concatenate((by_mean, (by_deviation - counts) / np.sqrt(2)), axis=1)
    both /= np.sqrt(mixture.weights)[:, None]
    rooted = np.sign(both) * np.sqrt(np.abs(both))
    return np.asarray(rooted / max(float(np.linalg.norm(rooted)), 1e-12), np.float32)
