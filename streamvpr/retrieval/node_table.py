"""Nodes of a vocabulary in the order of their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def in_order(
    numbers: NDArray[np.integer],
    parents: NDArray[np.integer],
    descriptors: NDArray[np.uint8],
    weights: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.floating]]:
    """Parents (M,), descriptors (M, 32) and weights (M,) of nodes 1 to M, which come in any order.

    Raises ValueError where one is missing or comes twice.
    """
    order = np.argsort(numbers, kind="stable")
    expected = np.arange(1, len(numbers) + 1)
    other = np.flatnonzero(np.asarray(numbers)[order] != expected)
    if len(other):
        raise ValueError(f"node {int(expected[other[0]])} is missing, or one comes twice")
    return (
        np.asarray(parents, np.int64)[order],
        descriptors[order],
        np.asarray(weights)[order],
    )
