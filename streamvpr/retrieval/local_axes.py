"""Local descriptors along the axes along which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from streamvpr.retrieval.projection import Projection
from streamvpr.retrieval.unit_vectors import NUMBERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.retrieval.parameters import Parameters


@dataclass(frozen=True, slots=True)
class LocalAxes:
    """Principal axes of local descriptors: the others hold little but noise (Jégou et al., PAMI
    2012)."""

    mean: NDArray[np.float32]
    """(d,) of all descriptors."""
    axes: NDArray[np.float32]
    """(d', d)."""

    def along(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, d') of vectors (N, d)."""
        return np.asarray((vectors - self.mean) @ self.axes.T, np.float32)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `of` makes them from again."""
        return {"local_mean": self.mean, "local_axes": self.axes}

    @classmethod
    def of(cls, parameters: Parameters) -> Self:
        """Those of a file's parameters. Raises ModelError for what does not fit together."""
        numbers = NUMBERS[parameters.kind]
        return cls(
            parameters.floats("local_mean", numbers),
            parameters.floats("local_axes", None, numbers),
        )

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], count: int) -> Self:
        """The `count` axes of vectors (N, d). Raises ValueError for fewer numbers than axes."""
        mean = vectors.mean(axis=0)
        return cls(mean, Projection.learn([(vectors - mean)[:, None]], count).axes)
