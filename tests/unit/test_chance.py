"""How many inliers chance gives, and so a match needs."""

from __future__ import annotations

import math

import pytest

from streamvpr.geometry.chance import (
    EAGER,
    FACTOR,
    LEAST_SAMPLES,
    MOST_SAMPLES,
    PAUSE,
    ChanceInliers,
)


def after(samples: list[int]) -> ChanceInliers:
    chance = ChanceInliers()
    for sample in samples:
        chance.add(sample)
    return chance


def test_few_samples_ask_for_no_more_than_the_user() -> None:
    assert after([]).needed(20) == 20
    assert after([100] * (LEAST_SAMPLES - 1)).needed(20) == 20
    assert after([100] * LEAST_SAMPLES).needed(20) == FACTOR * 100


@pytest.mark.parametrize("asked", [4, 20, 50])
def test_never_fewer_than_the_user_asks_for(asked: int) -> None:
    assert after([0, 3, 5] * 30).needed(asked) >= asked


def test_a_few_revisits_among_the_random_pairs_change_nothing() -> None:
    pairs = [5, 6, 7, 6, 5, 6, 7, 6, 5, 300] * 10
    assert after(pairs).needed(4) <= math.ceil(FACTOR * 40)
    assert after([5, 6, 7] * 40).needed(4) == math.ceil(FACTOR * 7)


def test_the_newest_samples_count() -> None:
    assert after([90] * 500 + [6] * MOST_SAMPLES).needed(4) == FACTOR * 6


def test_after_a_while_it_costs_little() -> None:
    chance = ChanceInliers()
    due = [chance.due() for _ in range(1000)]
    assert all(due[:EAGER])
    assert sum(due[EAGER:]) == pytest.approx((1000 - EAGER) / PAUSE, abs=1)
