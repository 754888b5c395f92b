"""Sequences against a naive sum over all alignments, and what they are to tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sequences import LEAST_WITHIN, MOST_ENDS, SPEEDS, Alignments, SequenceMatcher


def naive(
    rows: list[tuple[int, np.ndarray]], end: int, length: int, speeds: tuple[float, ...]
) -> tuple[float, float]:
    """Evidence and agreement of the best alignment that ends at place number `end`."""
    best = (-np.inf, -np.inf)
    for speed in speeds:
        passed = []
        for back, (first, prominence) in enumerate(reversed(rows[-length:])):
            row = end - round(speed * back) - first
            if 0 <= row < len(prominence):
                passed.append(float(prominence[row]))
        evidence = sum(passed) / np.sqrt(max(1, len(passed)))
        enough = len(passed) >= LEAST_WITHIN * length
        agreement = float(np.median(passed)) if enough else -np.inf
        if evidence > best[0]:
            best = (evidence, agreement)
    return best


@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(2, 12),
    both_ways=st.booleans(),
    capacity=st.integers(5, 60),
)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_it_is_the_naive_sum_at_every_place_it_names(
    seed: int, length: int, both_ways: bool, capacity: int
) -> None:
    rng = np.random.default_rng(seed)
    matcher = SequenceMatcher(length, bidirectional=both_ways)
    speeds = SPEEDS + (tuple(-s for s in SPEEDS) if both_ways else ())
    rows: list[tuple[int, np.ndarray]] = []
    for added in range(1, 40):
        kept, first = min(added, capacity), max(0, added - capacity)
        prominence = rng.normal(size=kept).astype(np.float32)
        hidden = rng.random(kept) < 0.2
        rows.append((first, prominence))
        found = matcher.align(prominence, hidden, first)
        assert not hidden[found.rows].any()
        assert (np.diff(found.rows) > 0).all()
        if (~hidden).any():
            assert int(np.argmax(np.where(hidden, -np.inf, prominence))) in found.rows
        for row in found.rows:
            evidence, agreement = found.of(int(row))
            expected = naive(rows, int(row) + first, length, speeds)
            assert evidence == pytest.approx(expected[0], abs=1e-4)
            assert agreement == pytest.approx(expected[1], abs=1e-4)


def walked(
    speed: float, length: int, *, both_ways: bool = False, noise: float = 1.6, size: int = 2000
) -> tuple[Alignments, int]:
    """The last alignments of a walk over a past of `size` places at that speed, and where it is.

    Each frame's right place stands out less than the best of the wrong ones.
    """
    rng = np.random.default_rng(3)
    matcher = SequenceMatcher(length, bidirectional=both_ways)
    found, at = None, 0
    for step in range(30):
        at = round(1000 + speed * step)
        prominence = rng.normal(size=size).astype(np.float32) * noise
        prominence[at] = 4.0
        found = matcher.align(prominence, np.zeros(size, bool), 0)
    assert found is not None
    return found, at


def best(found: Alignments) -> int:
    return int(found.rows[found.evidence.argmax()])


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_a_way_at_another_speed_is_found_where_single_frames_fail(speed: float) -> None:
    found, at = walked(speed, 10)
    assert abs(best(found) - at) <= 1
    evidence, agreement = found.of(best(found))
    assert evidence > 5
    assert agreement > 2


def test_the_way_back_is_found_only_where_it_is_asked_for() -> None:
    found, at = walked(-1.0, 10, both_ways=True)
    assert abs(best(found) - at) <= 1
    found, at = walked(-1.0, 10)
    assert at not in found.rows or found.of(at)[0] < 5


def test_the_cost_of_a_frame_does_not_grow_with_the_past() -> None:
    for size in (2_000, 50_000):
        found, _ = walked(1.0, 10, size=size)
        assert len(found.rows) <= 3 * MOST_ENDS + 3 * MOST_ENDS


def test_an_alignment_that_runs_out_of_the_past_needs_enough_within() -> None:
    matcher = SequenceMatcher(10)
    agreements = []
    for step in range(10):
        prominence = np.zeros(50, np.float32)
        prominence[step] = 5
        found = matcher.align(prominence, np.zeros(50, bool), 0)
        agreements.append(found.of(step)[1])
    assert agreements[:4] == [-np.inf] * 4
    assert agreements[4:] == [5.0] * 6


def test_nothing_admissible_has_no_alignment() -> None:
    found = SequenceMatcher(5).align(np.ones(4, np.float32), np.ones(4, bool), 0)
    assert len(found.rows) == 0
    found = SequenceMatcher(5).align(np.empty(0, np.float32), np.empty(0, bool), 0)
    assert len(found.rows) == 0
