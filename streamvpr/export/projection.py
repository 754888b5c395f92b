"""Fewer dimensions by PCA and whitening, learnt from pictures."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH = 4
"""Pictures for each dimension; with fewer the last dimensions are mostly chance."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Projection:
    """x (D,) to matrix (x - mean), of `dim` numbers."""

    mean: NDArray[np.float32]
    """(D,)."""
    matrix: NDArray[np.float32]
    """(dim, D)."""


def fit_projection(descriptors: NDArray[np.float32], dim: int) -> Projection:
    """PCA and whitening of unit descriptors (N, D) to `dim` dimensions.

    Jégou and Chum, Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
    whitening, ECCV 2012. Each axis is divided by the spread that the pictures have along it, so
    that what all of them share stops deciding. Spreads are shrunk towards their mean, since of few
    pictures the small ones come out too small. Raises ConfigError where the pictures don't suffice.
    """
    count, length = descriptors.shape
    if dim > length:
        raise ConfigError(f"--dim {dim}: the network gives no more than {length} dimensions")
    if count <= dim:
        raise ConfigError(
            f"--dim {dim} needs more than {dim} pictures in --fit, {ENOUGH * dim} to be good, and "
            f"there are {count}; give more, or a smaller --dim"
        )
    if count < ENOUGH * dim:
        logger.warning("--dim %d: %d pictures are few, %d would do", dim, count, ENOUGH * dim)
    mean = descriptors.mean(axis=0, dtype=np.float64)
    _, spreads, axes = np.linalg.svd(descriptors - mean, full_matrices=False)
    variances = spreads**2 / count
    shrunk = _shrink(variances, count, length)[:dim]
    if not (shrunk > 0).all():
        raise ConfigError(f"--dim {dim}: the pictures in --fit are all alike; give others")
    matrix = axes[:dim] / np.sqrt(shrunk)[:, None]
    return Projection(mean.astype(np.float32), matrix.astype(np.float32))


def _shrink(variances: NDArray[np.float64], count: int, length: int) -> NDArray[np.float64]:
    weight = length / (length + count)
    shrunk: NDArray[np.float64] = (1 - weight) * variances + weight * variances.mean()
    return shrunk
