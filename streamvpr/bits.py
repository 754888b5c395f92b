"""Descriptors of 256 bits as four numbers each, and how many bits of two differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES = 32
"""ORB's."""


def as_numbers(descriptors: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(N, 4) of descriptors (N, 32): the same bits, without a copy where they are contiguous."""
    return np.ascontiguousarray(descriptors, np.uint8).view(np.uint64)


def distances(some: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """(...) bits that differ between (..., 4) and (..., 4), which are broadcast."""
    counts = np.bitwise_count(some ^ others)
    # A sum over an axis of four is slower than three additions.
    total: NDArray[np.uint16] = counts[..., 0].astype(np.uint16)
    for part in range(1, counts.shape[-1]):
        total += counts[..., part]
    return total
