"""Proposals of thresholds on similarities whose making is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.calibration import (
    BIN_WIDTH,
    BINS,
    PLACES,
    RATE,
    STRETCHES,
    Proposal,
    count,
    count_far,
    propose,
    quantile,
    share_from,
)
from streamvpr.views import Views

NONE = np.zeros(BINS, np.int64)


def far_counts(similarities: np.ndarray) -> np.ndarray:
    """As of a recording, with the pairs dealt out to its stretches."""
    counts = np.zeros((STRETCHES, STRETCHES, BINS), np.int64)
    cells = list(itertools.product(range(STRETCHES), repeat=2))
    for number, cell in enumerate(cells):
        counts[cell] = count(similarities[number :: len(cells)])
    return counts


def wrong_pairs(seed: int, dimensions: int, scale: float, size: int = 20_000) -> np.ndarray:
    """Similarities of different places: half a squared distance in so many dimensions."""
    chance = np.random.default_rng(seed)
    halves = scale * chance.chisquare(dimensions, size) / dimensions
    return np.clip(1 - halves, -1, 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / length, np.float32)


def views(descriptors: np.ndarray, recordings: np.ndarray | None = None) -> Views:
    size = len(descriptors)
    numbers = np.zeros(size, np.int64) if recordings is None else recordings
    return Views(descriptors, numbers, np.arange(size), np.zeros(0, np.float32))


made = st.builds(
    wrong_pairs,
    st.integers(0, 99),
    st.sampled_from([8, 20, 60, 200]),
    st.sampled_from([0.03, 0.15, 0.5, 0.95]),
)
anything = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def levels(found: Proposal) -> tuple[float, float]:
    return found.value, found.without_geometry


@given(far=anything, near=st.lists(st.floats(-1, 1), max_size=30))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_whatever_the_similarities_the_levels_are_in_order_and_in_range(
    far: list[float], near: list[float]
) -> None:
    found = propose(far_counts(np.array(far)), count(near))
    assert -1 <= found.value <= found.without_geometry <= 1
    assert found == propose(far_counts(np.array(far)), count(near))


@given(wrong=made)
@settings(deadline=None, derandomize=True, max_examples=20)
def test_revisits_among_the_far_pairs_hardly_move_the_levels(wrong: np.ndarray) -> None:
    alone = propose(far_counts(wrong), NONE)
    right = np.full(len(wrong) // 19, 1 - (1 - wrong.max()) / 2)
    mixed = propose(far_counts(np.concatenate([wrong, right])), NONE)
    way = alone.without_geometry - alone.value
    for before, after in zip(levels(alone), levels(mixed), strict=True):
        assert -2 * BIN_WIDTH < after - before < 0.1 * way + 2 * BIN_WIDTH


@given(wrong=made, factor=st.sampled_from([0.2, 0.5, 0.8]))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_a_model_that_presses_similarities_together_presses_the_levels_alike(
    wrong: np.ndarray, factor: float
) -> None:
    pressed = 1 - factor * (1 - wrong)
    before, after = propose(far_counts(wrong), NONE), propose(far_counts(pressed), NONE)
    assert 1 - after.value == pytest.approx(factor * (1 - before.value), abs=2 * BIN_WIDTH)
    assert (pressed >= after.without_geometry).mean() <= 5e-4
    # Half way from the middle to the level there are some in either case: it is not just 1.
    assert (pressed >= (after.value + after.without_geometry) / 2).mean() > 1e-4


@given(wrong=made, shift=st.sampled_from([-0.2, -0.05]))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_what_is_less_alike_everywhere_lowers_both_levels(wrong: np.ndarray, shift: float) -> None:
    plain = propose(far_counts(wrong), NONE)
    lower = propose(far_counts(np.clip(wrong + shift, -1, 1)), NONE)
    assert lower.value < plain.value
    assert lower.without_geometry < plain.without_geometry + BIN_WIDTH


@pytest.mark.parametrize("dimensions", [64, 256, 1024])
@pytest.mark.parametrize("cone", [0.0, 1.0, 3.0])
def test_the_best_of_so_many_wrong_places_is_rarely_believed(dimensions: int, cone: float) -> None:
    """Median similarities of 0, 0.5 and 0.9: one law for models of any scale."""
    chance = np.random.default_rng(dimensions)
    axis = np.zeros(dimensions)
    axis[0] = cone * np.sqrt(dimensions)
    seen, places, queries = (
        unit(chance.normal(size=(size, dimensions)) + axis) for size in (600, PLACES, 3000)
    )
    level = propose(count_far(views(seen), 31), NONE).without_geometry
    believed = ((queries @ places.T).max(1) >= level).mean()
    assert RATE / 20 < believed < 3 * RATE


def test_the_error_tells_how_far_recordings_of_one_world_lie_apart() -> None:
    found = []
    for seed in range(16):
        chance = np.random.default_rng(seed)
        steps = chance.normal(size=(440, 24))
        smooth = np.stack([steps[i : i + 20].mean(0) for i in range(420)])
        found.append(propose(count_far(views(unit(smooth)), 31), NONE))
    scatter = np.std([one.without_geometry for one in found])
    claimed = np.median([one.without_geometry_error or 0 for one in found])
    assert scatter / 2 < claimed < scatter * 2


def test_neighbours_that_are_hardly_alike_lower_the_value_and_nothing_else() -> None:
    wrong = wrong_pairs(0, 60, 0.5)
    plain = propose(far_counts(wrong), count(np.full(50, 0.95)))
    fast = propose(far_counts(wrong), count(np.full(50, 0.3)))
    assert plain.value == plain.median_far
    assert fast.value == pytest.approx(0.3, abs=2 * BIN_WIDTH)
    assert fast.without_geometry == plain.without_geometry


def test_pairs_are_those_of_one_recording_that_far_apart() -> None:
    descriptors = unit(np.random.default_rng(0).normal(size=(95, 8)))
    recordings = np.repeat([0, 1], [50, 45])
    counts = count_far(views(descriptors, recordings), 31)
    wanted = [
        float(descriptors[i] @ descriptors[j])
        for i in range(95)
        for j in range(i)
        if i - j >= 31 and recordings[i] == recordings[j]
    ]
    assert counts.sum() == len(wanted)
    assert quantile(counts.sum((0, 1)), 0.5) == pytest.approx(np.median(wanted), abs=0.01)
    assert np.array_equal(counts, np.tril(counts.transpose(2, 0, 1)).transpose(1, 2, 0))


@given(values=st.lists(st.floats(-1, 1), min_size=1, max_size=80), share=st.floats(0.01, 0.99))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_a_quantile_has_its_share_below_and_the_rest_above(
    values: list[float], share: float
) -> None:
    counts = count(values)
    at = quantile(counts, share)
    assert np.mean(np.array(values) < at - BIN_WIDTH) <= share
    assert np.mean(np.array(values) > at + BIN_WIDTH) <= 1 - share


def test_a_share_is_counted_from_a_similarity_on() -> None:
    counts = count([0.2, 0.5, 0.50005, 0.9])
    assert share_from(counts, 0.5) == 0.75
    assert share_from(counts, 0.6) == 0.25
    assert share_from(counts, 1.0) == 0
