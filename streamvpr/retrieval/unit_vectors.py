"""Local descriptors as the vectors that means and distances are taken of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

NUMBERS = {FeatureKind.ORB: 256, FeatureKind.SIFT: 128, FeatureKind.XFEAT: 64}
"""How many numbers the vector of one feature has."""


def unit_vectors(descriptors: NDArray[np.generic], kind: FeatureKind) -> NDArray[np.float32]:
    """(N, d) of length 1 out of descriptors as `Features` keeps them.

    SIFT: RootSIFT (Arandjelović and Zisserman, CVPR 2012), the square roots of the shares that the
    counts have of their sum. ORB: each bit as 1 or -1, over the root of their number. XFeat: as
    they are. A SIFT descriptor of nothing but 0 stays that.
    """
    if kind is FeatureKind.SIFT:
        counts = descriptors.astype(np.float32)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return np.asarray(np.sqrt(shares), np.float32)
    if kind is FeatureKind.ORB:
        bits = np.unpackbits(descriptors.astype(np.uint8), axis=1)
        each = np.float32(1 / np.sqrt(NUMBERS[kind]))
        return np.where(bits, each, -each)
    return descriptors.astype(np.float32)


def vectors_of(features: Features, kind: FeatureKind) -> NDArray[np.float32]:
    """(N, d) of a picture's clear features. Raises ValueError for those of another kind."""
    if features.kind is not kind:
        raise ValueError(f"features are {features.kind}, not {kind}")
    return unit_vectors(clear_descriptors(features), kind)


def clear_descriptors(features: Features) -> NDArray[np.generic]:
    """(N, ...) of the features that stand out clearly."""
    if features.clear is None:
        return features.descriptors
    return features.descriptors[features.clear]
