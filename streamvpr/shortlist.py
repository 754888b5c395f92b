"""Which places a query is compared with: all of them, or of very many those that can matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.descriptor_ring import DescriptorRing
    from streamvpr.frames import Descriptor

    Rows = NDArray[np.int64]

# Candidates by code: of so many places one where codes have 512 bits, more where they are shorter
# and say less, and never fewer than LEAST. Of real descriptors with noise the most similar one was
# always among them; docs/benchmarks.md has the figures.
ONE_OF, BITS, LEAST = 256, 512, 512
# Of the very nearest by code the neighbours are compared, too, as are those of the last match.
BESIDE, REACH = 64, 2
# The newest places, which say whether the view has left since; and half as many that are spread
# evenly over the past, which say what is usual.
NEWEST, EVEN = 1024, 512


class Shortlist(NamedTuple):
    """Rows of a ring, counted from the oldest."""

    rows: Rows
    """(M,) increasing."""
    usual: Rows
    """(K,) positions among them of those that are spread evenly over what is old enough."""


def everything(count: int, past: int) -> Shortlist:
    """All rows of a ring of `count`, the first `past` of which are old enough to match."""
    rows = np.arange(count)
    return Shortlist(rows, rows[:past])


def candidates(ring: DescriptorRing, descriptor: Descriptor, past: int) -> Rows:
    """(M,) increasing rows among which the most similar ones to a query (D,) are.

    Of the first `past` rows: those nearest by code, and those that have none yet. Where there are
    few, all, since a read of the whole ring needs no gathering.
    """
    if not ring.coded:
        return np.arange(len(ring))
    nearest = ring.nearest(descriptor[None], how_many(past, ring.dimension), past)[0]
    return np.concatenate([np.sort(nearest), np.arange(min(ring.coded, past), past)])


def how_many(places: int, dimension: int) -> int:
    """Candidates by code, of a bit a dimension, of so many places."""
    return max(LEAST, places * max(1, BITS // dimension) // ONE_OF)


def shortlist(
    ring: DescriptorRing, descriptor: Descriptor, past: int, beside: Sequence[int] = ()
) -> Shortlist:
    """Those that a query (D,) is compared with, where it is also asked what is usual.

    `past` is how many of the first rows are old enough to match; `beside` are rows whose
    neighbours are wanted in any case. Where there are few, all of them.
    """
    if not ring.coded:
        return everything(len(ring), past)
    nearest = ring.nearest(descriptor[None], how_many(past, ring.dimension), past)[0]
    usual = np.unique(np.linspace(0, past - 1, min(EVEN, past)).astype(np.int64))
    near = np.concatenate([nearest[:BESIDE], np.array(beside, np.int64)])
    # What has no code yet is among the newest.
    newest = np.arange(len(ring) - NEWEST, len(ring))
    rows = np.unique(np.concatenate([nearest, _neighbours(near), usual, newest]))
    rows = rows[(rows >= 0) & (rows < len(ring))]
    return Shortlist(rows, np.searchsorted(rows, usual))


def _neighbours(rows: Rows) -> Rows:
    return (rows[:, None] + np.arange(-REACH, REACH + 1)).ravel()
