"""Groups of binary descriptors: k-means where distances count bits, and means are majorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamvpr.bits import as_numbers, distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By then few descriptors still change sides, and some for ever.
MOST_ROUNDS = 30
# Rows whose bits are spread out into 256 numbers each at once.
BLOCK = 4096


class Groups(NamedTuple):
    """What goes together."""

    centres: NDArray[np.uint8]
    """(K, 32), of different descriptors; none of a group that is empty."""
    members: NDArray[np.intp]
    """(N,) the group of each descriptor: that of the nearest centre, of those as near the first."""


def group(descriptors: NDArray[np.uint8], most: int, chance: np.random.Generator) -> Groups:
    """Up to `most` groups of descriptors (N, 32), N 1 or more.

    k-majority (Grana et al., ICIAR 2013) from k-means++ (Arthur and Vassilvitskii, SODA 2007): as
    DBoW2, whose seeds are drawn by distance too, which for bits is the square of Euclid's.
    """
    numbers = as_numbers(descriptors)
    centres = descriptors[_seeds(numbers, most, chance)]
    members = _nearest(numbers, centres)
    for _ in range(MOST_ROUNDS):
        centres = _majorities(descriptors, members, centres)
        before, members = members, _nearest(numbers, centres)
        if np.array_equal(before, members):
            break
    used, members = np.unique(members, return_inverse=True)
    return Groups(centres[used], members)


def _seeds(numbers: NDArray[np.uint64], most: int, chance: np.random.Generator) -> NDArray[np.intp]:
    """(K,) rows, far from each other: less than `most` where there are no more different ones."""
    chosen = [int(chance.integers(len(numbers)))]
    apart = distances(numbers, numbers[chosen[0]])
    while len(chosen) < most:
        reached = np.cumsum(apart, dtype=np.int64)
        if reached[-1] == 0:
            break
        drawn = chance.integers(reached[-1])
        chosen.append(int(np.searchsorted(reached, drawn, side="right")))
        np.minimum(apart, distances(numbers, numbers[chosen[-1]]), out=apart)
    return np.array(chosen, np.intp)


def _nearest(numbers: NDArray[np.uint64], centres: NDArray[np.uint8]) -> NDArray[np.intp]:
    nearest = np.empty(len(numbers), np.intp)
    others = as_numbers(centres)[None]
    for start in range(0, len(numbers), BLOCK):
        block = slice(start, start + BLOCK)
        nearest[block] = distances(numbers[block, None], others).argmin(1)
    return nearest


def _majorities(
    descriptors: NDArray[np.uint8], members: NDArray[np.intp], centres: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """(K, 32) bits that half of a group or more have set; the old centre of an empty group."""
    set_bits = np.zeros((len(centres), 8 * centres.shape[1]), np.int64)
    for start in range(0, len(descriptors), BLOCK):
        block = slice(start, start + BLOCK)
        order = np.argsort(members[block], kind="stable")
        groups, begins = np.unique(members[block][order], return_index=True)
        bits = np.unpackbits(descriptors[block][order], axis=1)
        # No product of matrices: the library's threads would spin beside many small ones.
        set_bits[groups] += np.add.reduceat(bits, begins, axis=0, dtype=np.int32)
    sizes = np.bincount(members, minlength=len(centres))
    found = np.packbits(2 * set_bits >= sizes[:, None], axis=1)
    found[sizes == 0] = centres[sizes == 0]
    return found
