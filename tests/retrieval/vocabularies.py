"""Vocabularies and descriptors that tests make for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.vocabulary_tree import VocabularyTree, Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray


def full_tree(
    branching: int, levels: int, *, seed: int = 0, weighting: Weighting = Weighting.TF_IDF
) -> VocabularyTree:
    """A tree with all its nodes, of bits by chance."""
    chance = np.random.default_rng(seed)
    inner = (branching**levels - 1) // (branching - 1)
    nodes = (branching ** (levels + 1) - 1) // (branching - 1) - 1
    children = np.zeros(nodes + 1, np.int64)
    children[:inner] = branching
    return VocabularyTree(
        branching,
        levels,
        weighting,
        children,
        chance.integers(0, 256, (nodes, 32), np.uint8),
        chance.uniform(0.5, 6, branching**levels),
    )


def scattered(seed: int, around: int, each: int, noise: float = 0.05) -> NDArray[np.uint8]:
    """(around * each, 32) descriptors: `each` near each of so many ones, by flipped bits."""
    chance = np.random.default_rng(seed)
    centres = chance.integers(0, 2, (around, 1, 256), np.uint8)
    flips = chance.random((around, each, 256)) < noise
    return np.packbits((centres ^ flips).reshape(-1, 256), axis=1)
