"""Which features of two pictures correspond, by their descriptors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamvpr import hamming
from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

    Descriptors = NDArray[np.uint8] | NDArray[np.float16]

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


class Correspondence(NamedTuple):
    """Of the features of one picture to those of another."""

    rows: NDArray[np.intp]
    """(M, 2) rows of the two pictures' features that are each other's nearest."""
    distances: NDArray[np.int32] | NDArray[np.float32]
    """(Q,) from each feature to the nearest of the other picture; empty where nothing was
    compared."""


def mutual_matches(query: Features, match: Features) -> NDArray[np.intp]:
    """(M, 2) rows of the two pictures' features that are each other's nearest.

    The nearest of `match` must be nearer than RATIOS times the second nearest.
    """
    return correspond(query, match).rows


def correspond(query: Features, match: Features, strongest: int | None = None) -> Correspondence:
    """`mutual_matches`, and how near the nearest are.

    With `strongest` only the first so many features of each are looked at.
    """
    here, there = query.descriptors[:strongest], match.descriptors[:strongest]
    if min(len(here), len(there)) < LEAST_MATCHES:
        return Correspondence(np.empty((0, 2), np.intp), np.empty(0, np.int32))
    if query.kind is not match.kind:
        raise ValueError(f"{query.kind} features cannot be compared with {match.kind} features")
    distances, found = _nearest(here, there, 2, query.kind)
    rows = np.flatnonzero(distances[:, 0] < RATIOS[query.kind] * distances[:, 1])
    chosen = found[rows, 0]
    # Looked back from what was chosen alone, which is a tenth of all.
    _, back = _nearest(there[chosen], here, 1, query.kind)
    mutual = back[:, 0] == rows
    return Correspondence(np.column_stack([rows[mutual], chosen[mutual]]), distances[:, 0])


def _nearest(
    query: Descriptors, kept: Descriptors, most: int, kind: FeatureKind
) -> tuple[NDArray[np.int32] | NDArray[np.float32], NDArray[np.int64]]:
    """Distances and rows (Q, most) of the one or two of `kept` that are nearest, nearest first.

    Hamming's distance of bits, Euclid's of vectors: what Lowe's ratio is taken of.
    """
    if kind is FeatureKind.ORB:
        return hamming.nearest(np.asarray(query, np.uint8), np.asarray(kept, np.uint8), most)
    products = unit_vectors(query, kind) @ unit_vectors(kept, kind).T
    line = np.arange(len(products))
    rows, best = [], []
    for _ in range(most):
        rows.append(products.argmax(axis=1))
        best.append(products[line, rows[-1]])
        products[line, rows[-1]] = -np.inf
    return np.sqrt(np.maximum(1 - np.stack(best, axis=1), 0)), np.stack(rows, axis=1)


def unit_vectors(descriptors: Descriptors, kind: FeatureKind) -> NDArray[np.float32]:
    """(N, D) of length 1: the more alike two descriptors, the larger their product, up to 1."""
    if kind is FeatureKind.XFEAT:
        return descriptors.astype(np.float32)
    # RootSIFT (Arandjelovic and Zisserman, CVPR 2012): Hellinger's kernel of the histograms.
    counts = descriptors.astype(np.float32)
    counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.sqrt(counts, out=counts)
