"""A binary tree over 256-bit descriptors (Schlegel and Grisetti, HBST, RA-L 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

BYTES = 32
BITS = 8 * BYTES
# A leaf that would hold so many is split: the paper's number.
LEAF = 100
# Fewer than that on one side isn't even enough to split.
LEAST = LEAF // 5
# Two leaves that hold no more together are one again: far enough from LEAF that it isn't split
# by the next descriptors.
MERGED = LEAF // 2
# Leaves that there is room for, as a multiple of how many all descriptors fill. They are some 60 %
# full; should a stream run out of them, leaves let go of their oldest instead of splitting.
ROOM = 4
# Queries whose leaves are read at a time, so that what is gathered stays in the processor's cache.
READ = 128


class Neighbours(NamedTuple):
    """Pairs of near descriptors, by query."""

    queries: Numbers
    """(P,) rows of the query."""
    numbers: Numbers
    """(P,) of the descriptors in the tree."""
    distances: NDArray[np.uint16]
    """(P,) bits that differ."""
    since: Numbers
    """(Q,) of a query whose leaf has let go of older descriptors the oldest that it holds; -1 of
    one whose leaf has all."""


class HammingTree:
    """Finds descriptors that differ in few bits, by reading one leaf for each.

    An inner node tests one bit, a leaf holds the numbers of descriptors, which are the caller's: a
    ring, out of which the oldest are removed before their room is used again. A leaf that would
    hold LEAF is split on the bit that parts it most evenly, if that is even enough. If not, it lets
    go of its oldest, where the paper's grows: a query reads up to LEAF descriptors, whatever the
    stream shows. So many that are nearly the same are of what is everywhere.

    An empty leaf goes, with the node above it, and two small ones are merged, so that what is
    removed leaves nothing behind. Memory is touched as it fills: 4 bytes a number, in leaves that
    are some 60 % full; ROOM times 4 bytes a number at most.
    """

    def __init__(self, descriptors: NDArray[np.uint8], bits: NDArray[np.intp]) -> None:
        """Of `descriptors` (N, 32), which are read whenever a number is; nodes test `bits` (B,)."""
        self._descriptors = descriptors
        self._words = descriptors.view(np.uint64)
        self._tested = bits
        leaves = 2 + ROOM * len(descriptors) // LEAF
        # Zeros and not empty: the pages come from the system when they are first written. A child
        # that is a leaf is ~leaf, which is below 0.
        self._bits = np.zeros(leaves, np.uint8)
        self._children = np.zeros((leaves, 2), np.int32)
        self._parents = np.zeros(leaves, np.int32)
        self._leaf_parents = np.zeros(leaves, np.int32)
        # A leaf is a ring, too: those behind `start`, oldest first.
        self._starts = np.zeros(leaves, np.uint8)
        self._counts = np.zeros(leaves, np.uint8)
        # Whether there are older ones that it, or the leaf that it was split off from, let go of.
        self._cut = np.zeros(leaves, np.bool_)
        numbers = np.int32 if len(descriptors) < 2**31 else np.int64
        self._entries = np.zeros((leaves, LEAF), numbers)
        self._unused_nodes: list[int] = []
        self._unused_leaves: list[int] = []
        # Nodes and leaves that were ever in use: those behind have no memory yet.
        self._touched_nodes = 0
        self._touched_leaves = 1
        self._root = ~0
        self._leaf_parents[0] = -1

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return self._touched_leaves - len(self._unused_leaves)

    def __len__(self) -> int:
        """How many descriptors are held."""
        return int(self._counts[: self._touched_leaves].sum())

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now, without the descriptors."""
        node = sum(a.itemsize for a in (self._bits, self._parents)) + 2 * self._children.itemsize
        leaf = sum(a.itemsize for a in (self._leaf_parents, self._starts, self._counts, self._cut))
        leaf += LEAF * self._entries.itemsize
        return self._touched_nodes * node + self._touched_leaves * leaf

    def add(self, numbers: Numbers) -> None:
        """Take in descriptors (K,) by number: newer ones than all others."""
        order, leaves, begins, counts = self._by_leaf(self._descriptors[numbers])
        numbers = numbers[order]
        # One that is full is tried again when all that it holds have been replaced.
        full = self._counts[leaves] == LEAF
        fits = np.where(full, self._starts[leaves], self._counts[leaves]) + counts < LEAF
        at = np.arange(len(numbers)) - np.repeat(begins - self._ends(leaves), counts)
        fitting = np.repeat(fits, counts)
        self._entries[np.repeat(leaves, counts)[fitting], at[fitting] % LEAF] = numbers[fitting]
        self._counts[leaves[fits & ~full]] += counts[fits & ~full].astype(np.uint8)
        self._starts[leaves[fits & full]] += counts[fits & full].astype(np.uint8)
        self._cut[leaves[fits & full]] = True
        for which in np.flatnonzero(~fits):
            leaf, begin = int(leaves[which]), begins[which]
            new = numbers[begin : begin + counts[which]]
            self._distribute(leaf, np.concatenate([self._held(leaf), new]))

    def remove(self, numbers: Numbers) -> None:
        """Let go of the oldest descriptors (K,), by increasing number: no older ones are left."""
        if not len(numbers):
            return
        leaves = self._by_leaf(self._descriptors[numbers])[1]
        entries = self._entries[leaves]
        held = (np.arange(LEAF) - self._starts[leaves, None].astype(np.int64)) % LEAF
        gone = (entries >= numbers[0]) & (entries <= numbers[-1])
        removed = (gone & (held < self._counts[leaves, None])).sum(axis=1)
        # They are the oldest of their leaves, too, and what was let go of is older still.
        self._cut[leaves[removed > 0]] = False
        self._starts[leaves] = (self._starts[leaves] + removed) % LEAF
        self._counts[leaves] -= removed.astype(np.uint8)
        for leaf in leaves[self._counts[leaves] <= MERGED]:
            self._shrink(int(leaf), int(numbers[0]))

    def find(self, query: NDArray[np.uint8], within: int) -> Neighbours:
        """Which of those in the leaves of `query` (Q, 32) differ in fewer than `within` bits."""
        leaves = self._leaves_of(query)
        words = query.view(np.uint64)
        found = []
        for begin in range(0, len(query), READ):
            part = leaves[begin : begin + READ]
            counts = self._counts[part].astype(np.int64)
            at = np.repeat(np.arange(len(part)), counts)
            behind = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
            behind += self._starts[part][at]
            behind[behind >= LEAF] -= LEAF
            numbers = self._entries[part[at], behind]
            differing = self._words.take(numbers, axis=0)
            differing ^= words[begin : begin + READ].take(at, axis=0)
            distances = _ones(differing)
            near = np.flatnonzero(distances < within)
            found.append((at[near] + begin, numbers[near].astype(np.int64), distances[near]))
        oldest = self._entries[leaves, self._starts[leaves]].astype(np.int64)
        since = np.where(self._cut[leaves], oldest, -1)
        if not found:
            found.append((leaves, leaves, np.empty(0, np.uint16)))
        queries, numbers, distances = (np.concatenate(part) for part in zip(*found, strict=True))
        return Neighbours(queries, numbers, distances, since)

    def _leaves_of(self, descriptors: NDArray[np.uint8]) -> Numbers:
        """(K,) leaves that descriptors (K, 32) belong to: all go down together."""
        nodes = np.full(len(descriptors), self._root, np.int64)
        if self._root < 0:
            return ~nodes
        bits = np.unpackbits(descriptors, axis=1).reshape(-1)
        begins = np.arange(len(descriptors)) * BITS
        children = self._children.reshape(-1)
        down = np.arange(len(descriptors))
        while len(down):
            at = nodes[down]
            at = children[2 * at + bits[begins[down] + self._bits[at]]]
            nodes[down] = at
            down = down[at >= 0]
        return ~nodes

    def _by_leaf(self, descriptors: NDArray[np.uint8]) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Rows (K,) sorted by leaf; the leaves, where each begins among the rows, and its count."""
        found = self._leaves_of(descriptors)
        order = np.argsort(found, kind="stable")
        leaves, begins, counts = np.unique(found[order], return_index=True, return_counts=True)
        return order, leaves, begins, counts

    def _ends(self, leaves: Numbers) -> Numbers:
        """(L,) behind the newest of each leaf; to be taken modulo LEAF."""
        return self._starts[leaves].astype(np.int64) + self._counts[leaves]

    def _held(self, leaf: int) -> Numbers:
        """(K,) what a leaf holds, oldest first."""
        at = np.arange(self._counts[leaf], dtype=np.int64) + self._starts[leaf]
        return np.asarray(self._entries[leaf, at % LEAF], np.int64)

    def _fill(self, leaf: int, numbers: Numbers) -> None:
        self._entries[leaf, : len(numbers)] = numbers
        self._starts[leaf] = 0
        self._counts[leaf] = len(numbers)

    def _distribute(self, leaf: int, numbers: Numbers) -> None:
        """Give a leaf those, oldest first, and split it until none has LEAF."""
        waiting = [(leaf, numbers)]
        while waiting:
            leaf, numbers = waiting.pop()
            parted = self._parted(numbers) if len(numbers) >= LEAF and self._has_room else None
            if parted is None:
                self._fill(leaf, numbers[-LEAF:])
                self._cut[leaf] |= len(numbers) > LEAF
                continue
            bit, right = parted
            waiting.append((self._split(leaf, bit), numbers[right]))
            waiting.append((leaf, numbers[~right]))

    def _parted(self, numbers: Numbers) -> tuple[int, NDArray[np.bool_]] | None:
        """The bit that parts descriptors most evenly, and which (K,) have it; None if that isn't
        even enough.

        One that was tested above is the same in all of them, so that it isn't tested again.
        """
        bits = np.unpackbits(self._descriptors[numbers], axis=1)
        ones = bits.sum(axis=0, dtype=np.int32)[self._tested]
        lesser = np.minimum(ones, len(numbers) - ones)
        best = int(lesser.argmax())
        if lesser[best] < LEAST:
            return None
        bit = int(self._tested[best])
        return bit, bits[:, bit].astype(np.bool_)

    @property
    def _has_room(self) -> bool:
        return bool(self._unused_leaves) or self._touched_leaves < len(self._entries)

    def _split(self, leaf: int, bit: int) -> int:
        """Put a node in the place of a leaf, and the leaf at its left; the new one at its right."""
        node = self._unused_nodes.pop() if self._unused_nodes else self._touched_nodes
        right = self._unused_leaves.pop() if self._unused_leaves else self._touched_leaves
        self._touched_nodes = max(self._touched_nodes, node + 1)
        self._touched_leaves = max(self._touched_leaves, right + 1)
        self._replace(~leaf, node)
        self._bits[node] = bit
        self._children[node] = ~leaf, ~right
        self._leaf_parents[[leaf, right]] = node
        self._cut[right] = self._cut[leaf]
        return right

    def _replace(self, old: int, new: int) -> None:
        """Hang one node or leaf where another one hangs."""
        parent = int(self._parents[old] if old >= 0 else self._leaf_parents[~old])
        if parent < 0:
            self._root = new
        else:
            self._children[parent, int(self._children[parent, 1] == old)] = new
        if new >= 0:
            self._parents[new] = parent
        else:
            self._leaf_parents[~new] = parent

    def _shrink(self, leaf: int, oldest: int) -> None:
        """Merge a leaf with its sibling as long as they hold little; let it go where it is empty.

        `oldest` is the number that the ring begins with.
        """
        while (parent := int(self._leaf_parents[leaf])) >= 0:
            left, right = self._children[parent].tolist()
            sibling = right if left == ~leaf else left
            if self._counts[leaf]:
                if sibling >= 0 or self._counts[leaf] + self._counts[~sibling] > MERGED:
                    return
                both = np.concatenate([self._held(leaf), self._held(~sibling)])
                age = (both - oldest) % len(self._descriptors)
                self._fill(~sibling, both[np.argsort(age)])
                self._cut[~sibling] |= self._cut[leaf]
            self._replace(parent, sibling)
            self._unused_nodes.append(parent)
            self._unused_leaves.append(leaf)
            # Whoever comes to it yet, as one of those that had something removed, ends there.
            self._counts[leaf], self._leaf_parents[leaf] = 0, -1
            if sibling >= 0:
                return
            leaf = ~sibling


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """(K,) how many bits of (K, 4) words are 1."""
    # Four sums of a byte each: all 256 would be one more than that holds.
    ones = np.bitwise_count(words)
    total = np.asarray(ones[:, 0] + ones[:, 1], np.uint16)
    total += ones[:, 2] + ones[:, 3]
    return total
