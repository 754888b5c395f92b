"""The tree against comparing all with all, and what it keeps of a stream without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streamvpr.retrieval import hamming_tree
from streamvpr.retrieval.hamming_tree import BITS, BYTES, LEAF, ROOM, HammingTree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Descriptors = NDArray[np.uint8]

ALL = np.arange(BITS)
EACH = 40
"""Descriptors that are added and removed together."""


def random(rng: np.random.Generator, count: int) -> Descriptors:
    return rng.integers(0, 256, (count, BYTES), dtype=np.uint8)


def flipped(rng: np.random.Generator, descriptors: Descriptors, share: float) -> Descriptors:
    return descriptors ^ np.packbits(rng.random((len(descriptors), BITS)) < share, axis=1)


def apart(query: Descriptors, kept: Descriptors) -> NDArray[np.int64]:
    return np.bitwise_count(query[:, None] ^ kept[None]).sum(axis=2, dtype=np.int64)


class Stream:
    """A ring of `groups` times EACH descriptors, and the tree over it."""

    def __init__(self, groups: int) -> None:
        self.kept = np.zeros((groups * EACH, BYTES), np.uint8)
        self.tree = HammingTree(self.kept, ALL)
        self.added = 0
        self._groups = groups

    def add(self, descriptors: Descriptors) -> None:
        numbers = self.added % self._groups * EACH + np.arange(EACH)
        if self.added >= self._groups:
            self.tree.remove(numbers)
        self.kept[numbers] = descriptors
        self.tree.add(numbers)
        self.added += 1

    def remove_all(self) -> None:
        for group in range(self.added, self.added + self._groups):
            self.tree.remove(group % self._groups * EACH + np.arange(EACH))


def one_view(rng: np.random.Generator) -> Callable[[], Descriptors]:
    """Views that are nearly all the same: no bit parts them evenly."""
    base = random(rng, EACH)
    return lambda: flipped(rng, base, 0.01)


def nested(rng: np.random.Generator) -> Callable[[], Descriptors]:
    """Each has the first bits of all that have more."""
    return lambda: np.packbits(np.arange(BITS) < rng.integers(0, BITS, (EACH, 1)), axis=1)


def clusters(rng: np.random.Generator) -> Callable[[], Descriptors]:
    """Few kinds of corners, each with its noise."""
    bases = random(rng, 20)
    return lambda: flipped(rng, bases[rng.integers(20, size=EACH)], 0.1)


def unlike(rng: np.random.Generator) -> Callable[[], Descriptors]:
    return lambda: random(rng, EACH)


STREAMS = [one_view, nested, clusters, unlike]


def test_one_leaf_finds_what_comparing_all_with_all_does() -> None:
    rng = np.random.default_rng(0)
    kept = random(rng, LEAF - 1)
    tree = HammingTree(kept, ALL)
    tree.add(np.arange(len(kept)))
    query = random(rng, 300)
    found = tree.find(query, 120)
    queries, numbers = np.nonzero(apart(query, kept) < 120)
    assert len(queries) > 1000
    assert set(zip(found.queries.tolist(), found.numbers.tolist(), strict=True)) == set(
        zip(queries.tolist(), numbers.tolist(), strict=True)
    )
    assert np.array_equal(found.distances, apart(query, kept)[found.queries, found.numbers])
    assert (found.since == -1).all()


def test_opposite_descriptors_differ_in_all_bits() -> None:
    kept = np.zeros((1, BYTES), np.uint8)
    tree = HammingTree(kept, ALL)
    tree.add(np.arange(1))
    assert tree.find(~kept, BITS + 1).distances.tolist() == [BITS]


@pytest.mark.parametrize("kind", [clusters, unlike])
def test_whatever_is_kept_finds_itself_and_nothing_that_was_removed(kind) -> None:
    views, stream = kind(np.random.default_rng(1)), Stream(groups=25)
    for _ in range(90):
        stream.add(views())
    assert stream.tree.leaves > 5
    assert len(stream.tree) == len(stream.kept)
    found = stream.tree.find(stream.kept, 1)
    assert set(found.queries[found.queries == found.numbers].tolist()) == set(
        range(len(stream.kept))
    )


@pytest.mark.parametrize("kind", STREAMS)
def test_what_is_found_is_as_near_as_it_says(kind) -> None:
    views, stream = kind(np.random.default_rng(2)), Stream(groups=25)
    for _ in range(70):
        stream.add(views())
    query = views()
    found = stream.tree.find(query, 130)
    assert len(found.queries)
    assert np.array_equal(found.distances, apart(query, stream.kept)[found.queries, found.numbers])
    pairs = list(zip(found.queries.tolist(), found.numbers.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert np.bincount(found.queries).max() <= LEAF


@pytest.mark.parametrize("kind", STREAMS)
def test_memory_levels_off(kind) -> None:
    views, stream = kind(np.random.default_rng(3)), Stream(groups=25)
    leaves, bytes_kept = [], []
    for index in range(25 * 12):
        stream.add(views())
        if index % 25 == 24:
            leaves.append(stream.tree.leaves)
            bytes_kept.append(stream.tree.nbytes)
    assert max(leaves[4:]) <= 1.3 * max(leaves[1:4])
    assert bytes_kept[-1] <= 1.3 * bytes_kept[3]
    assert len(stream.tree) <= len(stream.kept)


def test_a_tree_that_all_is_removed_from_is_one_leaf_again() -> None:
    for kind in STREAMS:
        views, stream = kind(np.random.default_rng(4)), Stream(groups=25)
        for _ in range(60):
            stream.add(views())
        stream.remove_all()
        assert (stream.tree.leaves, len(stream.tree)) == (1, 0)
        assert not len(stream.tree.find(stream.kept, BITS).numbers)


def test_another_scene_takes_the_room_of_the_last_one() -> None:
    rng = np.random.default_rng(5)
    stream = Stream(groups=50)
    kept = []
    for _ in range(6):
        views = clusters(rng)
        for _ in range(75):
            stream.add(views())
        kept.append(stream.tree.nbytes)
    assert max(kept) <= 3 * kept[0]
    # 4 bytes a number, ROOM times that, and what little a leaf and a node have beside it.
    assert max(kept) <= 4.4 * ROOM * len(stream.kept)


def test_of_what_no_bit_parts_the_newest_are_kept() -> None:
    stream = Stream(groups=20)
    same = random(np.random.default_rng(6), 1)
    for _ in range(30):
        stream.add(np.repeat(same, EACH, axis=0))
    found = stream.tree.find(same, 1)
    # The last group went to slot 9; of the third from last half is kept.
    assert set(found.numbers.tolist()) == set(range(10 * EACH - LEAF, 10 * EACH))
    assert found.since.tolist() == [10 * EACH - LEAF]


def test_once_some_of_them_are_removed_a_leaf_has_all() -> None:
    stream, same = Stream(groups=20), random(np.random.default_rng(9), 1)
    for _ in range(30):
        stream.add(np.repeat(same, EACH, axis=0))
    for group in range(30, 47):
        stream.tree.remove(group % 20 * EACH + np.arange(EACH))
        assert stream.tree.find(same, 1).since.tolist() == [10 * EACH - LEAF]
    stream.tree.remove(7 * EACH + np.arange(EACH))
    found = stream.tree.find(same, 1)
    assert (len(found.numbers), found.since.tolist()) == (2 * EACH, [-1])


def test_what_is_nearly_the_same_is_not_parted() -> None:
    rng = np.random.default_rng(10)
    stream, base = Stream(groups=20), random(rng, 1)
    for _ in range(30):
        stream.add(flipped(rng, np.repeat(base, EACH, axis=0), 0.02))
    assert (stream.tree.leaves, len(stream.tree)) == (1, LEAF)


def test_many_leaves_may_be_merged_at_once() -> None:
    kept = random(np.random.default_rng(11), 3000)
    tree = HammingTree(kept, ALL)
    tree.add(np.arange(3000))
    assert tree.leaves > 30
    for begin, end in ((0, 2500), (2500, 2960)):
        tree.remove(np.arange(begin, end))
        found = tree.find(kept, 1)
        assert set(found.queries.tolist()) == set(found.numbers.tolist()) == set(range(end, 3000))
        assert len(tree) == 3000 - end
    assert tree.leaves == 1


def test_without_room_to_split_leaves_keep_their_newest(monkeypatch) -> None:
    monkeypatch.setattr(hamming_tree, "ROOM", 0)
    stream, views = Stream(groups=25), unlike(np.random.default_rng(7))
    for _ in range(80):
        stream.add(views())
    assert stream.tree.leaves == 2
    assert len(stream.tree) <= 2 * LEAF
    newest = stream.kept[79 % 25 * EACH :][:EACH]
    assert set(stream.tree.find(newest, 1).queries.tolist()) == set(range(EACH))


def test_nothing_is_found_in_an_empty_tree_and_for_no_query() -> None:
    kept = random(np.random.default_rng(8), 10)
    tree = HammingTree(kept, ALL)
    assert not len(tree.find(kept, BITS).numbers)
    tree.add(np.arange(10))
    assert not len(tree.find(kept[:0], BITS).numbers)
    tree.add(np.arange(0))
    tree.remove(np.arange(0))
    assert len(tree) == 10
