"""Centres of many vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.sampling import unheard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.retrieval.sampling import Progress

ROUNDS = 25
# Vectors that are compared at once with all centres: what comes of it stays in the cache.
BLOCK = 256


def nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """(N,) which of the centres (k, d) is nearest to each of the vectors (N, d)."""
    found = np.empty(len(vectors), np.intp)
    # The square of the distance, halved, but for what is the same for all centres.
    halves = 0.5 * np.square(centres).sum(axis=1)
    for start in range(0, len(vectors), BLOCK):
        near = vectors[start : start + BLOCK] @ centres.T
        near -= halves
        near.argmax(axis=1, out=found[start : start + BLOCK])
    return found


def learn_centres(
    vectors: NDArray[np.float32],
    count: int,
    seed: int,
    progress: Progress = unheard,
    rounds: int = ROUNDS,
) -> NDArray[np.float32]:
    """(count, d) centres of (N, d) vectors by k-means (Lloyd, IEEE TIT 1982).

    Begins with vectors drawn by chance; a centre that no vector is nearest to begins anew at one
    drawn by chance. Ends after `rounds`, or when no vector changes its centre. Raises ValueError
    for fewer vectors than centres.
    """
    if len(vectors) < count:
        raise ValueError(f"{len(vectors)} features are too few for {count} centres")
    chance = np.random.default_rng(seed)
    centres = vectors[chance.choice(len(vectors), count, replace=False)].copy()
    before = np.full(len(vectors), -1, np.intp)
    for done in range(rounds):
        progress("centres", done, rounds)
        chosen = nearest(vectors, centres)
        if np.array_equal(chosen, before):
            break
        counts = np.bincount(chosen, minlength=count)
        centres = _means(vectors, chosen, counts)
        empty = np.flatnonzero(counts == 0)
        centres[empty] = vectors[chance.choice(len(vectors), len(empty), replace=False)]
        before = chosen
    progress("centres", rounds, rounds)
    return centres


def _means(
    vectors: NDArray[np.float32], chosen: NDArray[np.intp], counts: NDArray[np.intp]
) -> NDArray[np.float32]:
    """(k, d) mean of the vectors of each centre; 0 for one that has none."""
    order = np.argsort(chosen, kind="stable")
    held = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[held]
    means = np.zeros((len(counts), vectors.shape[1]), np.float32)
    sums = np.add.reduceat(vectors[order], starts, axis=0)
    means[held] = sums / counts[held, None].astype(np.float32)
    return means
