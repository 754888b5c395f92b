"""Words of binary descriptors: the way down the tree, and how trees grow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from vocabularies import full_tree, scattered

from streamvpr.retrieval.majority import group
from streamvpr.retrieval.tree_training import train_tree
from streamvpr.retrieval.vocabulary_tree import VocabularyTree, Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray


def way_down(tree: VocabularyTree, descriptor: NDArray[np.uint8]) -> int:
    """A word, found node by node from lists of children."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(tree.parents.tolist(), 1):
        children.setdefault(parent, []).append(node)
    words = [node for node in range(1, tree.nodes + 1) if node not in children]
    node = 0
    while node in children:
        apart = [
            int(np.unpackbits(tree.descriptors[child - 1] ^ descriptor).sum())
            for child in children[node]
        ]
        node = children[node][apart.index(min(apart))]
    return words.index(node)


def uneven_tree(weighting: Weighting = Weighting.TF_IDF) -> VocabularyTree:
    """Words on three levels, brothers that are not side by side, and two that are the same."""
    chance = np.random.default_rng(3)
    parents = np.array([0, 0, 1, 0, 2, 1, 2, 5, 5, 5])
    descriptors = chance.integers(0, 256, (10, 32), np.uint8)
    descriptors[9] = descriptors[7]
    return VocabularyTree.of_parents(
        4, 3, weighting, parents, descriptors, np.arange(10, dtype=np.float32)
    )


@pytest.mark.parametrize("tree", [full_tree(10, 3), full_tree(3, 4), uneven_tree()])
def test_a_descriptor_goes_to_the_nearest_child_on_each_level(tree: VocabularyTree) -> None:
    asked = np.random.default_rng(1).integers(0, 256, (100, 32), np.uint8)
    assert tree.quantise(asked).tolist() == [way_down(tree, one) for one in asked]


def test_of_children_as_near_the_first_is_taken() -> None:
    tree = uneven_tree()
    # Nodes 8 and 10 have one descriptor: the way there ends at the first of them.
    twin = VocabularyTree.of_parents(
        3, 1, Weighting.TF, np.zeros(3, int), tree.descriptors[[0, 1, 1]], np.ones(3)
    )
    assert twin.quantise(tree.descriptors[[1]]).tolist() == [1]


def test_words_of_a_whole_are_those_of_its_parts() -> None:
    tree = full_tree(7, 3)
    asked = np.random.default_rng(2).integers(0, 256, (5000, 32), np.uint8)
    parts = [tree.quantise(asked[start : start + 999]) for start in range(0, 5000, 999)]
    assert np.array_equal(tree.quantise(asked), np.concatenate(parts))
    assert tree.quantise(asked[:0]).shape == (0,)


def test_weights_stay_with_their_words() -> None:
    tree = uneven_tree()
    # Words are nodes without children; `uneven_tree` weighs each node by its row.
    assert sorted(tree.weights.tolist()) == [2, 3, 5, 6, 7, 8, 9]
    word = tree.quantise(tree.descriptors[[2]])[0]
    assert tree.weights[word] == 3, "the third node in order is the fourth of before"


@pytest.mark.parametrize("bytes_", [31, 64])
def test_other_descriptors_are_refused(bytes_: int) -> None:
    with pytest.raises(ValueError, match="32"):
        full_tree(3, 2).quantise(np.zeros((5, bytes_), np.uint8))


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ([0, 3, 0, 0], "does not come before"),
        ([0, 2, 0, 0], "does not come before"),
        ([0, -1, 0, 0], "does not come before"),
        ([0, 0, 0, 0], "4 children"),
        ([0, 1, 2, 3], "more levels"),
    ],
)
def test_what_is_no_tree_is_refused(parents: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        VocabularyTree.of_parents(
            3, 2, Weighting.TF, np.array(parents), np.zeros((4, 32), np.uint8), np.ones(4)
        )


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    weights = np.ones(9)
    weights[4] = weight
    tree = full_tree(3, 2)
    with pytest.raises(ValueError, match="word 4"):
        VocabularyTree(3, 2, Weighting.TF, tree.children, tree.descriptors, weights)


def test_a_picture_takes_some_milliseconds() -> None:
    tree = full_tree(10, 5)
    asked = np.random.default_rng(1).integers(0, 256, (1000, 32), np.uint8)
    tree.quantise(asked)
    took = []
    for _ in range(7):
        begun = time.thread_time()
        tree.quantise(asked)
        took.append(time.thread_time() - begun)
    # 2 ms where nothing else runs.
    assert min(took) < 0.02


def test_groups_are_those_that_descriptors_were_made_from() -> None:
    descriptors = scattered(0, around=5, each=40)
    found = group(descriptors, 5, np.random.default_rng(0))
    assert len(found.centres) == 5
    blocks = found.members.reshape(5, 40)
    assert (blocks == blocks[:, :1]).all()
    assert len(set(blocks[:, 0].tolist())) == 5
    majority = np.unpackbits(descriptors[:40], axis=1).mean(0) >= 0.5
    assert np.array_equal(np.unpackbits(found.centres[blocks[0, 0]]), majority)


def test_there_are_no_more_groups_than_different_descriptors() -> None:
    descriptors = np.repeat(scattered(0, around=3, each=1), 20, axis=0)
    found = group(descriptors, 10, np.random.default_rng(0))
    assert len(found.centres) == 3
    assert np.bincount(found.members).tolist() == [20, 20, 20]


def test_a_trained_tree_knows_what_belongs_together() -> None:
    descriptors = scattered(1, around=60, each=50)
    pictures = np.tile(np.arange(50), 60)
    tree = train_tree(descriptors, pictures, branching=5, levels=3)
    again = tree.quantise(scattered(1, around=60, each=80)[:]).reshape(60, 80)
    alike = np.mean([np.bincount(words).max() / 80 for words in again])
    assert alike > 0.7
    assert len(np.unique(again)) > 40


def test_weights_are_the_logarithm_of_how_rare_words_are() -> None:
    common, rare = scattered(2, around=2, each=100, noise=0.01).reshape(2, 100, 32)
    descriptors = np.concatenate([common, rare])
    # All of ten pictures hold the one; two of them the other.
    pictures = np.concatenate([np.arange(100) % 10, np.arange(100) % 2])
    tree = train_tree(descriptors, pictures, branching=2, levels=1)
    weights = tree.weights[tree.quantise(np.stack([common[0], rare[0]]))]
    assert weights == pytest.approx([0, np.log(10 / 2)])


def test_the_same_seed_grows_the_same_tree_and_another_one_does_not() -> None:
    descriptors = np.random.default_rng(5).integers(0, 256, (3000, 32), np.uint8)
    pictures = np.arange(3000) // 100
    trees = [
        train_tree(descriptors, pictures, branching=6, levels=3, seed=seed) for seed in (0, 0, 1)
    ]
    one, same, other = (tree.descriptors.tobytes() + tree.weights.tobytes() for tree in trees)
    assert one == same
    assert one != other


def test_training_says_how_far_it_is_and_can_be_ended() -> None:
    descriptors = np.random.default_rng(5).integers(0, 256, (2000, 32), np.uint8)
    shares: list[float] = []
    train_tree(descriptors, np.arange(2000), branching=4, levels=3, progress=shares.append)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def stop(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tree(descriptors, np.arange(2000), branching=4, levels=3, progress=stop)


@pytest.mark.parametrize("descriptors", [scattered(0, 3, 2), np.zeros((50, 32), np.uint8)])
def test_too_little_to_train_on_is_refused(descriptors: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="descriptors are"):
        train_tree(descriptors, np.zeros(len(descriptors), int))


def test_any_order_of_nodes_behind_their_parents_is_one_tree() -> None:
    tree = full_tree(3, 5)
    # Depth first, as DBoW numbers them: what is below a node before its next brother's.
    below: dict[int, list[int]] = {}
    for node, parent in enumerate(tree.parents.tolist(), 1):
        below.setdefault(parent, []).append(node)
    order: list[int] = []

    def visit(node: int) -> None:
        order.extend(below.get(node, []))
        for child in below.get(node, []):
            visit(child)

    visit(0)
    renumbered = {old: new for new, old in enumerate([0, *order])}
    parents = np.array([renumbered[int(tree.parents[node - 1])] for node in order])
    rows = np.array(order) - 1
    weights = np.zeros(tree.nodes)
    weights[tree.children[1:] == 0] = tree.weights
    same = VocabularyTree.of_parents(
        3, 5, tree.weighting, parents, tree.descriptors[rows], weights[rows]
    )
    assert np.array_equal(same.parents, tree.parents)
    assert np.array_equal(same.descriptors, tree.descriptors)
    assert np.array_equal(same.weights, tree.weights)
