"""A tree of binary words: from 256 bits to the number of the word that is most like them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.bits import BYTES, as_numbers, distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BRANCHES, MOST_LEVELS = 20, 10
"""What DBoW2 takes."""
MOST_NODES = 1 << 24
"""36 bytes each; ORB-SLAM's vocabulary has a million."""
# Descriptors that go down the tree together: what is looked at of them stays in the cache.
BLOCK = 2048
# Farther than any descriptor is from any other: what children that are not there get.
NOWHERE = 8 * BYTES + 1


class Weighting(IntEnum):
    """What a word of a picture counts, by DBoW2's numbers. A word's own weight is always in it."""

    TF_IDF = 0
    TF = 1
    IDF = 2
    BINARY = 3

    @property
    def counts(self) -> bool:
        """Whether a word that a picture holds twice counts twice."""
        return self in (Weighting.TF_IDF, Weighting.TF)


class VocabularyTree:
    """A vocabulary of 256-bit descriptors (Gálvez-López and Tardós, T-RO 2012; DBoW2).

    Nodes are numbered from 1, level by level, children of one node one after the other; 0 is the
    root, which has no descriptor. Nodes without children are the words, numbered from 0 in the same
    order.
    """

    def __init__(
        self,
        branching: int,
        levels: int,
        weighting: Weighting,
        children: NDArray[np.integer],
        descriptors: NDArray[np.uint8],
        weights: NDArray[np.floating],
    ) -> None:
        """`children` (M + 1,) is how many each node has, the root's first, `descriptors` (M, 32)
        those of the nodes from 1 on, `weights` (W,) the words', 0 or more; 0 stops a word. Raises
        ValueError for what is no such tree."""
        _require_shape(branching, levels, len(descriptors))
        _require_children(branching, children, len(descriptors))
        self.branching = branching
        self.levels = levels
        self.weighting = weighting
        self.descriptors = np.ascontiguousarray(descriptors, np.uint8)
        # The children of node n are the nodes behind begins[n], up to begins[n + 1] itself.
        self._begins = np.zeros(len(children) + 1, np.int32)
        np.cumsum(children, out=self._begins[1:])
        self._require_levels()
        is_word = np.asarray(children) == 0
        self._words = np.cumsum(is_word, dtype=np.int32) - 1
        # What is too large for float32 becomes infinite, which is refused.
        with np.errstate(over="ignore"):
            self.weights = np.ascontiguousarray(weights, np.float32)
        _require_weights(self.weights, int(self._words[-1]) + 1)
        self._bits = as_numbers(self.descriptors)

    @classmethod
    def of_parents(
        cls,
        branching: int,
        levels: int,
        weighting: Weighting,
        parents: NDArray[np.integer],
        descriptors: NDArray[np.uint8],
        weights: NDArray[np.floating],
    ) -> VocabularyTree:
        """The tree of nodes 1 to M, each (M,) or (M, 32), each one's parent before it.

        `weights` are the nodes'; only those of words count. Raises ValueError.
        """
        _require_shape(branching, levels, len(descriptors))
        late = np.flatnonzero((parents < 0) | (parents > np.arange(len(parents))))
        if len(late):
            node, parent = int(late[0]) + 1, int(parents[late[0]])
            raise ValueError(f"node {node} has the parent {parent}, which does not come before it")
        order, numbers = _by_levels(np.asarray(parents), levels)
        children = np.bincount(numbers[parents], minlength=len(parents) + 1)
        is_word = children[1:] == 0
        return cls(
            branching, levels, weighting, children, descriptors[order], weights[order][is_word]
        )

    @property
    def words(self) -> int:
        """W, how many there are."""
        return len(self.weights)

    @property
    def nodes(self) -> int:
        """M, the root not counted."""
        return len(self.descriptors)

    @property
    def children(self) -> NDArray[np.int32]:
        """(M + 1,) how many children each node has, the root first."""
        return np.diff(self._begins)

    @property
    def parents(self) -> NDArray[np.int64]:
        """(M,) the parent of each node from 1 on."""
        return np.repeat(np.arange(self.nodes + 1), self.children)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        tables = self._begins.nbytes + self._words.nbytes + self.weights.nbytes
        return self.descriptors.nbytes + tables

    def quantise(self, descriptors: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(N,) words of descriptors (N, 32): on each level to the nearest child, the first of
        those as near."""
        if descriptors.ndim != 2 or descriptors.shape[1] != BYTES:
            raise ValueError(f"descriptors {descriptors.shape} are not (N, {BYTES})")
        asked = as_numbers(descriptors)
        words = np.empty(len(asked), np.int32)
        for start in range(0, len(asked), BLOCK):
            block = slice(start, start + BLOCK)
            words[block] = self._words[self._leaves(asked[block])]
        return words

    def _leaves(self, asked: NDArray[np.uint64]) -> NDArray[np.int32]:
        """(N,) the nodes at which (N, 4) end."""
        nodes = np.zeros(len(asked), np.int32)
        going = np.arange(len(asked))
        while len(going):
            nodes[going] = reached = self._nearest_children(nodes[going], asked[going])
            going = going[self._begins[reached + 1] > self._begins[reached]]
        return nodes

    def _nearest_children(
        self, nodes: NDArray[np.int32], asked: NDArray[np.uint64]
    ) -> NDArray[np.int32]:
        begins = self._begins[nodes]
        counts = self._begins[nodes + 1] - begins
        places = np.arange(counts.max(), dtype=np.int32)
        # Node n's descriptor is in row n - 1, so that these are rows of its children.
        rows = begins[:, None] + places
        missing = places >= counts[:, None]
        if missing.any():
            rows[missing] = 0
        apart = distances(self._bits[rows], asked[:, None])
        apart[missing] = NOWHERE
        nearest: NDArray[np.int32] = begins + apart.argmin(1).astype(np.int32) + 1
        return nearest

    def _require_levels(self) -> None:
        begin, end = 0, 1
        for _ in range(self.levels + 1):
            # The next level's nodes: children of those from `begin` to `end`.
            begin, end = int(self._begins[begin]) + 1, int(self._begins[end]) + 1
            if begin == end:
                return
        raise ValueError(f"it has more levels than the {self.levels} that it says")


def _by_levels(
    parents: NDArray[np.integer], levels: int
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Rows (M,) of nodes in the order of their new numbers, and those numbers (M + 1,) by the old
    ones: from level to level, children in the order of their parents. Raises ValueError."""
    numbers = np.zeros(len(parents) + 1, np.int32)
    above = np.zeros(len(parents) + 1, bool)
    above[0] = True
    order: list[NDArray[np.intp]] = []
    done = 0
    for _ in range(levels):
        rows = np.flatnonzero(above[parents])
        rows = rows[np.argsort(numbers[parents[rows]], kind="stable")]
        numbers[rows + 1] = np.arange(done + 1, done + len(rows) + 1)
        above[:] = False
        above[rows + 1] = True
        order.append(rows)
        done += len(rows)
    if done < len(parents):
        raise ValueError(f"it has more levels than the {levels} that it says")
    return np.concatenate(order), numbers


def _require_shape(branching: int, levels: int, nodes: int) -> None:
    if not (2 <= branching <= MOST_BRANCHES and 1 <= levels <= MOST_LEVELS):
        raise ValueError(
            f"k {branching} and L {levels} are not within 2 to {MOST_BRANCHES} and 1 to "
            f"{MOST_LEVELS}"
        )
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"{nodes} nodes are not within 1 to {MOST_NODES}")


def _require_children(branching: int, children: NDArray[np.integer], nodes: int) -> None:
    if len(children) != nodes + 1 or int(children.sum()) != nodes:
        raise ValueError(f"{nodes} nodes are not the children of {len(children)}")
    many = np.flatnonzero((children < 0) | (children > branching))
    if len(many):
        node = int(many[0])
        raise ValueError(f"node {node} has {int(children[node])} children, and k is {branching}")
    # Parents come before their children.
    begins = np.cumsum(children) - children + 1
    if not (begins[children > 0] > np.flatnonzero(children)).all():
        raise ValueError("some nodes come before their parents")


def _require_weights(weights: NDArray[np.float32], words: int) -> None:
    if weights.shape != (words,):
        raise ValueError(f"{len(weights)} weights are not those of {words} words")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        word = int(wrong[0])
        raise ValueError(f"word {word} has the weight {float(weights[word])}, which is none")
