"""How much arithmetic the CPU of this machine does."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

# Products of a millisecond: some fall between what else runs on the machine. Of those twice as wide
# the best was a third of what the idle machine does; of these it was the same in 7 of 8 tries.
SIDE = 512
MOST_RUNS = 100
ENOUGH = 0.5
"""Seconds."""


def multiply_adds_per_second() -> float:
    """Multiplications with an addition each, in float32, that large matrix products reach.

    The best of many: other work only ever makes them slower.
    """
    chance = np.random.default_rng(0)
    one, other = (chance.random((SIDE, SIDE), np.float32) for _ in range(2))
    product = np.empty_like(one)
    taken = [_time(one, other, product)]
    while len(taken) < MOST_RUNS and sum(taken) < ENOUGH:
        taken.append(_time(one, other, product))
    return float(SIDE**3 / min(taken))


def _time(one: Matrix, other: Matrix, product: Matrix) -> float:
    began = time.perf_counter()
    np.matmul(one, other, out=product)
    return time.perf_counter() - began
