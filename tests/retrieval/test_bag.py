"""Bags of words."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.retrieval.bag import Bag


def test_words_are_counted() -> None:
    bag = Bag.of(np.array([5, 2, 5, 9, 5]))
    assert (bag.words.tolist(), bag.counts.tolist()) == ([2, 5, 9], [1, 3, 1])
    assert bag.nbytes == 3 * 4 * 2


def test_similarity_is_the_cosine_of_counts() -> None:
    one, other = Bag.of(np.array([1, 1, 2])), Bag.of(np.array([1, 3]))
    assert one.similarity(one) == pytest.approx(1)
    assert one.similarity(other) == other.similarity(one) == pytest.approx(2 / np.sqrt(5 * 2))
    assert one.similarity(Bag.of(np.array([7]))) == 0


def test_nothing_is_similar_to_nothing() -> None:
    nothing = Bag.of(np.empty(0, np.int64))
    assert nothing.similarity(nothing) == nothing.similarity(Bag.of(np.array([1]))) == 0
