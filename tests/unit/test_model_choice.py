"""Which model describes matches, from their errors and their number alone."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from streamvpr.geometry.homography import squared_errors as plane_errors
from streamvpr.geometry.model_choice import (
    CALIBRATED_DEPTH,
    DEPTH,
    PLANE,
    TURN,
    ModelKind,
    gric,
    log10_false_alarms,
)

KINDS = [PLANE, DEPTH, CALIBRATED_DEPTH, TURN]


def chi_squared(freedom: int, count: int, seed: int = 0) -> np.ndarray:
    """Errors of right matches: one standard deviation in each number that the model demands."""
    return (np.random.default_rng(seed).normal(size=(count, freedom)) ** 2).sum(axis=1)


@pytest.mark.parametrize("count", [50, 100, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_of_models_that_both_fit_the_stricter_describes_better(count: int, seed: int) -> None:
    flat = gric(chi_squared(2, count, seed), 1.0, PLANE)
    deep = gric(chi_squared(1, count, seed), 1.0, DEPTH)
    assert flat < deep


@pytest.mark.parametrize("count", [30, 100, 1000])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_a_plane_that_misses_a_third_of_the_matches_does_not_describe_them(
    count: int, sigma: float
) -> None:
    errors = chi_squared(2, count) * sigma**2
    errors[: count // 3] = 1e6
    assert gric(chi_squared(1, count) * sigma**2, sigma, DEPTH) < gric(errors, sigma, PLANE)


def test_an_outlier_costs_the_same_however_far_it_is() -> None:
    near, far = np.array([0.0, 100.0]), np.array([0.0, np.inf])
    assert gric(near, 1.0, PLANE) == gric(far, 1.0, PLANE)


def test_the_criterion_is_torr_s() -> None:
    found = gric(np.array([0.5, 1.0, 99.0]), 1.0, DEPTH)
    assert found == pytest.approx(0.5 + 1.0 + 2.0 + 3 * 3 * math.log(4) + 7 * math.log(12))
    assert gric(np.zeros(0), 1.0, PLANE) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_more_inliers_are_less_likely_by_chance(kind: ModelKind) -> None:
    alarms = [log10_false_alarms(k, 100, 0.02, kind) for k in range(30, 101)]
    assert all(more < fewer for fewer, more in pairwise(alarms))
    assert log10_false_alarms(kind.sample, 100, 0.02, kind) == 0
    assert log10_false_alarms(2, 2, 0.02, kind) == 0


def test_a_line_takes_more_inliers_than_a_place() -> None:
    place, line = 1e-4, 2e-2
    assert log10_false_alarms(20, 80, place, PLANE) < -15
    assert log10_false_alarms(20, 80, line, DEPTH) > 0
    assert log10_false_alarms(50, 80, line, DEPTH) < -15


def test_the_number_of_false_alarms_is_what_chance_gives() -> None:
    """Of matches that fit by chance alone, hardly any count is called unlikely."""
    rng, chance, matches = np.random.default_rng(0), 0.05, 60
    inliers = rng.binomial(matches, chance, 2000)
    assert all(log10_false_alarms(int(k), matches, chance, DEPTH) > -1 for k in inliers)
    by_hand = math.log10(53 * math.comb(60, 30) * math.comb(30, 7) * 0.05**23)
    assert log10_false_alarms(30, 60, chance, DEPTH) == pytest.approx(by_hand)


def test_the_error_of_a_plane_is_the_distance_in_both_pictures() -> None:
    """A shift by noise in either picture counts alike: half of the square each."""
    points = np.random.default_rng(0).uniform(0, 100, (50, 2))
    shifted = points + np.array([10, 5])
    shift = np.array([[1, 0, 10], [0, 1, 5], [0, 0, 1.0]])
    assert plane_errors(shift, points, shifted) == pytest.approx(0)
    assert plane_errors(shift, points, shifted + np.array([3, 4])) == pytest.approx(12.5)
    larger = np.diag([10.0, 10.0, 1.0])
    assert plane_errors(larger, points, points * 10 + np.array([3, 4])) == pytest.approx(25 / 101)


def test_a_point_sent_to_infinity_is_infinitely_far() -> None:
    horizon = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0.0]])
    (error,) = plane_errors(horizon, np.zeros((1, 2)), np.ones((1, 2)))
    assert error == np.inf
