"""The inverted file against a table of all words of all places."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.retrieval import inverted_file
from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.inverted_file import InvertedFile, Postings

WORDS = 60


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that runs are sorted, merged and let go of within a few dozen places."""
    monkeypatch.setattr(inverted_file, "WAITING", 4)
    monkeypatch.setattr(inverted_file, "LARGEST_RUN", 16)


def bags(count: int, seed: int = 0) -> list[Bag]:
    chance = np.random.default_rng(seed)
    return [Bag.of(chance.integers(0, WORDS, chance.integers(0, 30))) for _ in range(count)]


def counted(found: Postings) -> np.ndarray:
    return np.asarray(found.counts, np.float64)


def table(kept: list[Bag]) -> np.ndarray:
    """(N, WORDS) how often each place holds each word."""
    whole = np.zeros((len(kept), WORDS))
    for row, bag in enumerate(kept):
        whole[row, bag.words] = bag.counts
    return whole


@pytest.mark.parametrize("capacity", [1, 3, 7, 40, 200])
def test_it_finds_what_is_kept_and_nothing_else(capacity: int) -> None:
    file, kept = InvertedFile(capacity, WORDS), bags(150)
    query = np.arange(0, WORDS, 3, dtype=np.int32)
    weights = np.linspace(0.5, 2, len(query))
    for number, bag in enumerate(kept):
        file.add(bag)
        if number % 7 == 0 or number > 140:
            whole = table(kept[max(0, number + 1 - capacity) : number + 1])
            assert len(file) == len(whole)
            assert file.sums(query, counted) == pytest.approx(whole[:, query].sum(axis=1))
            weighed = file.sums(query, lambda found: found.each(weights) * found.counts)
            assert weighed == pytest.approx(whole[:, query] @ weights)


def test_what_is_counted_is_said() -> None:
    """Of a run that is evicted in part the dead places count, too, and are said to."""
    file, kept = InvertedFile(20, WORDS), bags(90)
    for bag in kept:
        file.add(bag)
        whole = table(kept[file.added - file.counted : file.added])
        every = np.arange(WORDS, dtype=np.int32)
        assert file.frequency(every).tolist() == (whole > 0).sum(axis=0).tolist()
        assert len(file) <= file.counted <= 20 + 16


def test_memory_levels_off() -> None:
    file, kept = InvertedFile(30, WORDS), bags(600)
    sizes = []
    for bag in kept:
        file.add(bag)
        sizes.append(file.nbytes)
    assert max(sizes[300:]) <= max(sizes[60:300]) * 1.1
    assert min(sizes[300:]) >= min(sizes[60:300]) * 0.9


def test_empty_it_finds_nothing() -> None:
    file = InvertedFile(5, WORDS)
    assert file.sums(np.array([1, 2], np.int32), counted).shape == (0,)
    file.add(Bag.of(np.empty(0, np.int64)))
    assert file.sums(np.array([1, 2], np.int32), counted).tolist() == [0.0]
    assert file.sums(np.empty(0, np.int32), counted).tolist() == [0.0]


def test_a_word_that_is_there_more_often_than_can_be_counted_is_there_often() -> None:
    file = InvertedFile(5, WORDS)
    file.add(Bag.of(np.full(1000, 7)))
    assert file.sums(np.array([7], np.int32), counted).tolist() == [255.0]


def test_a_capacity_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity 0"):
        InvertedFile(0, WORDS)
