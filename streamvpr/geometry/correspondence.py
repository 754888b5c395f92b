"""Which features of two pictures correspond, by their descriptors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

# Lowe's ratio of the best to the second-best distance (IJCV 2004). Mutual nearest neighbours need
# little of it: it takes out what repeats within one picture, such as tiles.
RATIO = 0.9
# XFeat's 64 numbers lie closer together: at 0.9 a third of the inliers of right pairs go that 0.95
# keeps (median over four seasons 31 instead of 49), while without any ratio pictures of different
# doors of one corridor reach two thirds more of them (90th percentile 33 instead of 20). A least
# cosine tells neither apart.
RATIOS = {FeatureKind.ORB: RATIO, FeatureKind.SIFT: RATIO, FeatureKind.XFEAT: 0.95}
# Fewer matches than this determine no homography that could be told from chance.
LEAST_MATCHES = 8


def mutual_matches(query: Features, match: Features) -> NDArray[np.intp]:
    """(M, 2) rows of the two pictures' features that are each other's nearest.

    The nearest of `match` must be nearer than RATIOS times the second nearest. All distances come
    from one matrix product; for ORB that is twice as fast as brute force over the bytes, and its
    sums are whole numbers, exact in float32.
    """
    if min(len(query.descriptors), len(match.descriptors)) < LEAST_MATCHES:
        return np.empty((0, 2), np.intp)
    if query.kind is not match.kind:
        raise ValueError(f"{query.kind} features cannot be compared with {match.kind} features")
    products = unit_vectors(query) @ unit_vectors(match).T
    nearest = products.argmax(axis=1)
    rows = np.flatnonzero(products.argmax(axis=0)[nearest] == np.arange(len(products)))
    chosen = nearest[rows]
    kept = products[rows]
    line = np.arange(len(rows))
    best = kept[line, chosen]
    kept[line, chosen] = -np.inf
    second = kept.max(axis=1)
    ratio = RATIOS[query.kind]
    distinct = _distance(best, query.kind) < ratio * _distance(second, query.kind)
    return np.column_stack([rows[distinct], chosen[distinct]])


def unit_vectors(features: Features) -> NDArray[np.float32]:
    """(N, D) of length 1: the more alike two descriptors, the larger their product, up to 1."""
    descriptors = features.descriptors
    if features.kind is FeatureKind.ORB:
        return _SIGNS[descriptors].reshape(len(descriptors), -1)
    if features.kind is FeatureKind.SIFT:
        # RootSIFT (Arandjelovic and Zisserman, CVPR 2012): Hellinger's kernel of the histograms.
        counts = descriptors.astype(np.float32)
        counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return np.sqrt(counts, out=counts)
    return descriptors.astype(np.float32)


def _signs() -> NDArray[np.float32]:
    """(256, 8): the bits of each byte as 1/16 and -1/16, of length 1 for 256 bits together."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return np.asarray((bits.astype(np.float32) * 2 - 1) / 16, np.float32)


_SIGNS = _signs()


def _distance(products: NDArray[np.float32], kind: FeatureKind) -> NDArray[np.float32]:
    """What Lowe's ratio is taken of: Hamming's distance of bits, Euclid's of vectors."""
    apart = np.maximum(1 - products, 0)
    return apart if kind is FeatureKind.ORB else np.sqrt(apart)
