"""Distances between rows of bits: how many of them differ. The only module that imports faiss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From so many nearest on, counting distances beats a heap.
MANY = 256


def nearest(
    query: NDArray[np.uint8], kept: NDArray[np.uint8], most: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Distances in bits and rows, (Q, most) each, of the nearest of `kept` (N, B) to each query.

    `query` (Q, B) and `kept` are rows of B bytes, contiguous; N is `most` or more. Nearest first.
    """
    # A stage has one thread. OpenMP's own number is each calling thread's, and its pool would spin
    # beside the model.
    faiss.omp_set_num_threads(1)
    # Of a place's features a heap of few holds the nearest; of a million codes counting does.
    variant = "hc" if most < MANY else "mc"
    distances, rows = faiss.knn_hamming(query, kept, most, variant=variant)
    return np.asarray(distances, np.int32), np.asarray(rows, np.int64)
