"""How many inliers chance gives, and so a match needs."""

from __future__ import annotations

import math

import pytest

from streamvpr.frames import FeatureKind
from streamvpr.geometry.chance import (
    AT_ONCE,
    EAGER,
    FACTOR,
    FIRST_QUERIES,
    LOOK_ALIKES,
    MOST_SAMPLES,
    PAUSE,
    ChanceInliers,
)


def after(samples: list[int], kind: FeatureKind = FeatureKind.ORB) -> ChanceInliers:
    chance = ChanceInliers(kind)
    for sample in samples:
        chance.add(sample)
    return chance


def test_before_anything_was_seen_each_kind_needs_what_look_alikes_reach_with_it() -> None:
    needed = {kind: after([], kind).needed(20) for kind in FeatureKind}
    assert needed[FeatureKind.ORB] == needed[FeatureKind.SIFT] == 20
    assert needed[FeatureKind.XFEAT] == FACTOR * LOOK_ALIKES[FeatureKind.XFEAT] == 50
    assert after([], FeatureKind.XFEAT).needed(60) == 60


def test_the_more_pairs_were_seen_the_more_they_count() -> None:
    rising = [after([100] * count).needed(20) for count in (0, 1, 5, 20, MOST_SAMPLES)]
    assert rising == sorted(rising)
    assert rising[1] < 30
    assert rising[3] == math.ceil(FACTOR * (100 + LOOK_ALIKES[FeatureKind.ORB]) / 2)
    assert rising[4] > 230
    calm = [after([5] * count, FeatureKind.XFEAT).needed(4) for count in (0, 20, MOST_SAMPLES)]
    assert calm == [50, math.ceil(FACTOR * 12.5), math.ceil(FACTOR * (5 + 15 * 20 / 276))]


@pytest.mark.parametrize("asked", [4, 20, 50])
def test_never_fewer_than_the_user_asks_for(asked: int) -> None:
    assert after([0, 3, 5] * 30).needed(asked) >= asked


def test_a_few_revisits_among_the_random_pairs_change_nothing() -> None:
    pairs = [*[5, 6, 7, 6, 5, 6, 7, 6, 5, 6, 7, 300]] * 20
    assert after(pairs).needed(4) == math.ceil(FACTOR * 7)


def test_the_newest_samples_count() -> None:
    newest = [6] * MOST_SAMPLES
    assert after([90] * 500 + newest).needed(4) == after(newest).needed(4)


def test_after_a_while_it_costs_little() -> None:
    chance = ChanceInliers()
    wanted = [chance.wanted() for _ in range(1000)]
    assert set(wanted[:FIRST_QUERIES]) == {AT_ONCE}
    assert set(wanted[FIRST_QUERIES:EAGER]) == {1}
    assert sum(wanted[EAGER:]) == pytest.approx((1000 - EAGER) / PAUSE, abs=1)


def test_up_to_what_half_of_the_pairs_have_inliers_say_nothing() -> None:
    assert after([]).meaningless == 0
    assert after([0, 0, 0, 5, 8]).meaningless == 0
    assert after([3, 4, 5, 5, 80]).meaningless == FACTOR * 5
