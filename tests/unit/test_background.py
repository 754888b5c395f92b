"""The level that similarities are set against."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.background import (
    LEAST_PLACES,
    MOST_QUERIES,
    Background,
    Unnormalised,
    WordsBackground,
)


def scores(seed: int, count: int, middle: float, spread: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(middle, spread, count).astype(np.float32)


@pytest.mark.parametrize(("middle", "spread"), [(0.92, 0.01), (0.4, 0.05), (-0.1, 0.2)])
def test_one_scale_serves_streams_of_every_level(middle: float, spread: float) -> None:
    level = Background().level(scores(0, 500, middle, spread))
    half = (1 + middle) / 2
    found = level.prominence(np.array([middle, half, 1.0], np.float32))
    assert found == pytest.approx([0, 0.5, 1], abs=0.05)


def test_a_revisit_hardly_moves_the_level() -> None:
    past = scores(1, 300, 0.5, 0.05)
    revisited = np.append(past, np.full(9, 0.99, np.float32))
    level, other = Background().level(past), Background().level(revisited)
    assert other.middle == pytest.approx(level.middle, abs=0.01)


def test_one_query_that_resembles_everything_hardly_moves_it() -> None:
    background = Background()
    for seed in range(20):
        background.level(scores(seed, 200, 0.5, 0.05))
    assert background.level(scores(99, 200, 0.95, 0.01)).middle == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("count", range(LEAST_PLACES))
def test_nothing_stands_out_before_there_is_something_to_stand_out_of(count: int) -> None:
    few = scores(0, count, 0.8, 0.1)
    everything = np.linspace(-1, 1, 30, dtype=np.float32)
    assert not Background().level(few).prominence(everything).any()


def test_a_query_that_may_match_little_or_nothing_is_set_against_those_before() -> None:
    background = Background()
    usual = background.level(scores(0, 500, 0.5, 0.05))
    assert background.level(np.empty(0, np.float32)) == usual
    assert background.level(scores(0, LEAST_PLACES - 1, 0.9, 0.01)) == usual


@pytest.mark.parametrize("middle", [0.7, 1.0])
def test_it_never_decreases_in_similarity_and_is_finite(middle: float) -> None:
    level = Background().level(np.full(50, middle, np.float32))
    found = level.prominence(np.linspace(-1, 1, 101, dtype=np.float32))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


def test_it_looks_at_no_more_than_the_newest_queries() -> None:
    long, short = Background(), Background()
    for seed in range(50):
        long.level(scores(seed, LEAST_PLACES, 0.1, 0.01))
    for seed in range(MOST_QUERIES):
        for background in (long, short):
            background.level(scores(seed, LEAST_PLACES, 0.6, 0.02))
    query = scores(7, 5, 0.9, 0.01)
    assert long.level(query) == short.level(query)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.85, 1.0])
def test_without_it_similarity_counts_from_the_threshold_on(threshold: float) -> None:
    level = Unnormalised(threshold).level(np.empty(0, np.float32))
    at, below = level.prominence(np.array([threshold, threshold - 0.1], np.float32))
    assert at == pytest.approx(Unnormalised.AT_THRESHOLD, abs=0.2)
    assert below < at
    if threshold < 1:
        top = level.prominence(np.array([1.0], np.float32))[0]
        assert top == pytest.approx(Unnormalised.AT_THRESHOLD + 1, abs=0.01)


class TestWords:
    """Similarity by words, of which none is near 1."""

    def test_as_similar_as_the_most_similar_of_all_stands_out_by_one(self) -> None:
        background = WordsBackground()
        for seed in range(50):
            level = background.level(scores(seed, 200, 0.02, 0.005), 0.3)
        assert level.middle == pytest.approx(0.02, abs=0.002)
        found = level.prominence(np.array([0.02, 0.3], np.float32))
        assert found == pytest.approx([0, 1], abs=0.02)

    def test_a_few_that_are_more_similar_move_nothing(self) -> None:
        steady, disturbed = WordsBackground(), WordsBackground()
        for seed in range(60):
            past = scores(seed, 200, 0.02, 0.005)
            usual = steady.level(past, 0.3)
            level = disturbed.level(past, 0.9 if seed % 10 == 0 else 0.3)
        assert level.way == pytest.approx(usual.way, rel=0.01)

    def test_where_nothing_is_similar_there_is_still_a_way(self) -> None:
        background = WordsBackground()
        level = background.level(np.zeros(50, np.float32), 0.0)
        assert level.way > 0
        assert np.isfinite(level.prominence(np.zeros(3, np.float32))).all()
