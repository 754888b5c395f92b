"""From the descriptors of pictures to a vocabulary tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.majority import group
from streamvpr.retrieval.vocabulary_tree import VocabularyTree, Weighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# A node of fewer descriptors a child stays a word: its children would be single descriptors, which
# no other picture has.
LEAST_PER_CHILD = 2


def train_tree(
    descriptors: NDArray[np.uint8],
    pictures: NDArray[np.integer],
    *,
    branching: int = 10,
    levels: int = 4,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> VocabularyTree:
    """A tree of descriptors (N, 32) that were found in pictures (N,), weighted by TF-IDF.

    Level by level, each node's descriptors are grouped (`majority.py`). A word's weight is ln(P /
    n), where n of the P pictures hold it (Sivic and Zisserman, ICCV 2003): what every picture holds
    is 0, and is left out. The same bytes for the same seed.

    `progress` gets the share that is done, 0 to 1, between nodes; what it raises ends the training.
    Raises ValueError for descriptors that are too few or all alike.
    """
    if len(descriptors) < branching * LEAST_PER_CHILD:
        raise ValueError(f"{len(descriptors)} descriptors are too few for {branching} words")
    grown = _Growth(descriptors, branching, np.random.default_rng(seed))
    grown.grow(levels, progress or _ignore)
    nodes = np.concatenate(grown.centres) if grown.centres else descriptors[:0]
    if len(nodes) < 2:
        raise ValueError(f"{len(descriptors)} descriptors are all alike")
    counts = np.array(grown.children)
    plain = VocabularyTree(
        branching, levels, Weighting.TF_IDF, counts, nodes, np.zeros((counts == 0).sum())
    )
    weights = _weights(plain.quantise(descriptors), pictures, plain.words)
    return VocabularyTree(branching, levels, Weighting.TF_IDF, counts, nodes, weights)


class _Growth:
    """The nodes so far, in their order, and of those that may have children their descriptors."""

    def __init__(
        self, descriptors: NDArray[np.uint8], branching: int, chance: np.random.Generator
    ) -> None:
        self.children: list[int] = []
        """How many each node has that was looked at."""
        self.centres: list[NDArray[np.uint8]] = []
        """(K, 32) of the children of each node that has some."""
        self._descriptors = descriptors
        self._branching = branching
        self._chance = chance
        self._level = [np.arange(len(descriptors))]

    def grow(self, levels: int, progress: Callable[[float], None]) -> None:
        """From the root down."""
        total, done = levels * len(self._descriptors), 0
        for _ in range(levels):
            below: list[NDArray[np.intp]] = []
            for rows in self._level:
                below += self._split(rows)
                done += len(rows)
                progress(min(1.0, done / total))
            self._level = below
        self.children += [0] * len(self._level)
        progress(1.0)

    def _split(self, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """The descriptors of each child of the next node, whose own are in `rows`."""
        found = None
        if len(rows) >= LEAST_PER_CHILD * self._branching:
            found = group(self._descriptors[rows], self._branching, self._chance)
        if found is None or len(found.centres) < 2:
            self.children.append(0)
            return []
        self.children.append(len(found.centres))
        self.centres.append(found.centres)
        order = np.argsort(found.members, kind="stable")
        ends = np.cumsum(np.bincount(found.members))[:-1]
        return np.split(rows[order], ends)


def _weights(
    words: NDArray[np.int32], pictures: NDArray[np.integer], many: int
) -> NDArray[np.float64]:
    """(W,) ln(P / n) of words (N,) in pictures (N,)."""
    numbers, seen = np.unique(pictures, return_inverse=True)
    pairs = np.unique(seen.astype(np.int64) * many + words)
    holding = np.bincount(pairs % many, minlength=many)
    # A word that the last round left without any is as rare as can be.
    return np.log(len(numbers) / np.maximum(holding, 1))


def _ignore(_: float) -> None:
    pass
