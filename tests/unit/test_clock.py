"""Stream time from timestamps that may be missing, repeated or go back."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sources.clock import StreamClock


def times(pts: list[float | None], frame_seconds: float = 0.04) -> list[float]:
    clock = StreamClock(frame_seconds)
    return [clock.time(one) for one in pts]


def test_increasing_timestamps_are_kept_as_they_are() -> None:
    given_times = [0.5, 0.54, 0.6, 3.0, 3.04]
    assert times(given_times) == given_times


def test_a_first_timestamp_that_is_missing_is_zero() -> None:
    assert times([None, 0.04]) == [0.0, 0.04]


def test_a_negative_first_timestamp_is_kept() -> None:
    assert times([-0.08, -0.04, 0.0]) == [-0.08, -0.04, 0.0]


def test_a_missing_timestamp_is_one_frame_later() -> None:
    assert times([1.0, None, None, 1.12]) == pytest.approx([1.0, 1.04, 1.08, 1.12])


def test_after_a_jump_back_time_goes_on_from_where_it_was() -> None:
    assert times([10.0, 10.04, 0.0, 0.04, 1.0]) == pytest.approx([10.0, 10.04, 10.08, 10.12, 11.08])


def test_two_jumps_back_add_up() -> None:
    found = times([5.0, 0.0, 5.0, 0.0, 5.0])
    assert found == pytest.approx([5.0, 5.04, 10.04, 10.08, 15.08])


def test_a_small_step_back_is_jitter_and_moves_nothing_that_follows() -> None:
    found = times([1.0, 1.04, 1.03, 1.08, 1.12])
    assert found[:2] == [1.0, 1.04]
    assert 1.04 < found[2] < 1.08
    assert found[3:] == [1.08, 1.12]


def test_a_repeated_timestamp_is_a_little_later_and_moves_nothing_that_follows() -> None:
    found = times([1.0, 1.0, 1.04])
    assert 1.0 < found[1] < 1.04
    assert found[2] == 1.04


def test_a_gap_forwards_is_believed() -> None:
    assert times([0.0, 0.04, 3600.0]) == [0.0, 0.04, 3600.0]


timestamps = st.one_of(
    st.none(), st.integers(0, 4000).map(lambda ms: ms / 1000), st.sampled_from([0.0, 95443.7])
)


@given(pts=st.lists(timestamps, max_size=60), frame=st.sampled_from([1 / 60, 0.04, 1.0]))
@settings(deadline=None, derandomize=True)
def test_time_is_finite_and_strictly_increasing_whatever_comes(
    pts: list[float | None], frame: float
) -> None:
    found = times(pts, frame)
    assert all(math.isfinite(one) for one in found)
    assert all(a < b for a, b in itertools.pairwise(found))


@given(steps=st.lists(st.integers(1, 500), min_size=1, max_size=60))
@settings(deadline=None, derandomize=True)
def test_times_that_increase_are_never_moved(steps: list[int]) -> None:
    pts = [sum(steps[: n + 1]) / 1000 for n in range(len(steps))]
    assert times(list(pts)) == pts
