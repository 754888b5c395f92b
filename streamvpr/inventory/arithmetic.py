"""How much arithmetic the CPU of this machine does."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from numpy.typing import NDArray

from streamvpr.embedding.cores import usable_cores

Matrices = NDArray[np.float32]

# So small that NumPy's BLAS takes one thread for each: the threads of a large product wait for one
# another, and on a busy machine that made it 2 to 20 times slower, and of these the median 5 %.
SIDE = 64
STACK = 32
RUNS = 500


def multiply_adds_per_second() -> float:
    """Multiplications with an addition each, in float32, of all cores that may be used.

    What one core reaches in products of matrices in its cache, times the number of cores.
    """
    chance = np.random.default_rng(0)
    ones, others = (chance.random((STACK, SIDE, SIDE), np.float32) for _ in range(2))
    products = np.empty_like(ones)
    seconds = median(_time(ones, others, products) for _ in range(RUNS))
    return STACK * SIDE**3 / seconds * usable_cores()


def _time(ones: Matrices, others: Matrices, products: Matrices) -> float:
    began = time.perf_counter()
    np.matmul(ones, others, out=products)
    return time.perf_counter() - began
