"""The level that similarities are set against."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.background import LEAST_PLACES, MOST_QUERIES, WEIGHT, Background, Unnormalised


def scores(seed: int, count: int, middle: float, spread: float) -> np.ndarray:
    return np.random.default_rng(seed).normal(middle, spread, count).astype(np.float32)


def test_one_scale_serves_streams_of_every_level() -> None:
    corridor, field = scores(0, 500, 0.92, 0.01), scores(0, 500, 0.4, 0.1)
    found = [
        Background().level(past).prominence(np.append(past, past.mean() + 4 * past.std()))
        for past in (corridor, field)
    ]
    assert np.allclose(found[0], found[1], atol=1e-3)
    assert found[0][-1] == pytest.approx(4, abs=0.1)


def test_a_revisit_hardly_moves_the_level() -> None:
    past = scores(1, 300, 0.5, 0.05)
    revisited = np.append(past, np.full(9, 0.99, np.float32))
    level, other = Background().level(past), Background().level(revisited)
    assert other.middle == pytest.approx(level.middle, abs=0.01)


def test_few_places_are_judged_by_the_queries_before() -> None:
    background = Background()
    for seed in range(20):
        background.level(scores(seed, 200, 0.5, 0.05))
    level = background.level(np.array([0.9, 0.9], np.float32))
    share = 2 / (2 + WEIGHT)
    assert level.middle == pytest.approx(0.5 + share * 0.4, abs=0.01)


@pytest.mark.parametrize("count", range(LEAST_PLACES))
def test_nothing_stands_out_before_there_is_something_to_stand_out_of(count: int) -> None:
    few = scores(0, count, 0.8, 0.1)
    everything = np.linspace(-1, 1, 30, dtype=np.float32)
    assert not Background().level(few).prominence(everything).any()


def test_a_query_that_may_match_nothing_is_set_against_those_before() -> None:
    background = Background()
    background.level(scores(0, 500, 0.5, 0.05))
    level = background.level(np.empty(0, np.float32))
    assert (level.middle, level.spread) == pytest.approx((0.5, 0.05), abs=0.01)


def test_it_never_decreases_in_similarity_and_is_finite() -> None:
    same = np.full(50, 0.7, np.float32)
    level = Background().level(same)
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
        assert top == pytest.approx(Unnormalised.AT_THRESHOLD + Unnormalised.WAY, abs=0.01)
