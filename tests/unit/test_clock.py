"""Stream time from timestamps that may be missing, repeated or go back."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sources.clock import LiveClock, SendingClock, StreamClock


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


FRAME = 0.04


def live(*frames: tuple[float | None, float], clock: LiveClock | None = None) -> list[float]:
    """Times of frames by (timestamp, arrival), in one connection."""
    if clock is None:
        clock = LiveClock()
        clock.connect(FRAME)
    return [clock.time(pts, arrival) for pts, arrival in frames]


class TestLiveClock:
    @pytest.mark.parametrize("pts", [None, 0.0, 95_443.7, -3.0])
    def test_the_first_frame_is_at_zero(self, pts: float | None) -> None:
        clock = LiveClock()
        assert clock.last is None
        clock.connect(FRAME)
        assert clock.time(pts, 1234.5) == 0.0
        assert clock.last == 0.0

    def test_within_a_connection_time_goes_by_the_timestamps(self) -> None:
        jitter = [0.0, 0.06, 0.061, 0.15, 0.152, 0.25]
        frames = [(500.0 + n * FRAME, 70.0 + late) for n, late in enumerate(jitter)]
        assert live(*frames) == pytest.approx([n * FRAME for n in range(6)])

    def test_a_rate_that_varies_is_kept(self) -> None:
        pts = [7.0, 7.033, 7.5, 7.51, 9.0]
        found = live(*((one, 100.0 + one) for one in pts))
        assert found == pytest.approx([one - 7.0 for one in pts])

    def test_a_burst_after_a_stall_keeps_its_timestamps(self) -> None:
        stalled = [(n * FRAME, 10.0 + n * FRAME) for n in range(5)]
        burst = [(n * FRAME, 14.0) for n in range(5, 100)]
        after = [(n * FRAME, 10.0 + n * FRAME) for n in range(100, 105)]
        found = live(*stalled, *burst, *after)
        assert found == pytest.approx([n * FRAME for n in range(105)])

    def test_an_outage_counts_as_it_passed_here(self) -> None:
        clock = LiveClock()
        clock.connect(FRAME)
        live((100.0, 10.0), (100.04, 10.04), clock=clock)
        clock.connect(FRAME)
        # The camera began anew.
        found = live((0.0, 17.04), (0.04, 17.08), (0.08, 17.12), clock=clock)
        assert found == pytest.approx([7.04, 7.08, 7.12])

    def test_so_it_does_where_the_timestamps_went_on(self) -> None:
        clock = LiveClock()
        clock.connect(FRAME)
        live((100.0, 10.0), (100.04, 10.04), clock=clock)
        clock.connect(FRAME)
        found = live((103.04, 13.04), (103.08, 13.08), clock=clock)
        assert found == pytest.approx([3.04, 3.08])

    def test_without_timestamps_time_is_that_of_arrival(self) -> None:
        found = live((None, 10.0), (None, 10.05), (None, 10.3), (None, 10.3))
        assert found[:3] == pytest.approx([0.0, 0.05, 0.3])
        assert found[2] < found[3] < 0.31

    def test_a_first_timestamp_that_is_missing_moves_nothing_that_follows(self) -> None:
        # RTSP hands out its first two pictures at once.
        found = live((None, 10.0), (5.04, 10.0), (5.08, 10.04), (5.12, 10.08))
        assert found == pytest.approx([0.0, 0.04, 0.08, 0.12])

    def test_one_that_is_missing_later_is_no_new_beginning(self) -> None:
        found = live((5.0, 10.0), (5.04, 10.04), (None, 10.08), (5.12, 10.12))
        assert found == pytest.approx([0.0, 0.04, 0.08, 0.12])

    def test_after_a_jump_back_time_goes_on_as_it_passed_here(self) -> None:
        found = live((50.0, 10.0), (50.04, 10.04), (0.0, 10.08), (0.04, 10.12), (0.08, 10.16))
        assert found == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16])

    def test_a_jump_ahead_of_what_passed_is_none(self) -> None:
        found = live((5.0, 10.0), (5.04, 10.04), (90_000.0, 10.08), (90_000.04, 10.12))
        assert found == pytest.approx([0.0, 0.04, 0.08, 0.12])

    def test_a_gap_that_passed_here_too_is_believed(self) -> None:
        found = live((5.0, 10.0), (5.04, 10.04), (605.04, 610.04))
        assert found == pytest.approx([0.0, 0.04, 600.04])

    def test_a_small_step_back_moves_nothing_that_follows(self) -> None:
        found = live((5.0, 10.0), (5.04, 10.04), (5.03, 10.08), (5.08, 10.09), (5.12, 10.12))
        assert found[:2] == pytest.approx([0.0, 0.04])
        assert 0.04 < found[2] < 0.08
        assert found[3:] == pytest.approx([0.08, 0.12])

    @given(
        events=st.lists(
            st.tuples(
                st.none()
                | st.floats(-1e5, 1e5, width=32)
                | st.integers(0, 100).map(lambda n: n / 25),
                st.floats(0, 20, width=32),
                st.sampled_from(["", "", "", "connect"]),
            ),
            max_size=60,
        ),
        frame=st.sampled_from([1 / 60, 0.04, 1.0]),
    )
    @settings(deadline=None, derandomize=True, max_examples=300)
    def test_time_begins_at_zero_and_increases_strictly_whatever_comes(
        self, events: list[tuple[float | None, float, str]], frame: float
    ) -> None:
        clock = LiveClock()
        clock.connect(frame)
        arrival = 1000.0
        found = []
        for pts, passed, what in events:
            arrival += passed
            if what:
                clock.connect(frame)
            found.append(clock.time(pts, arrival))
            assert clock.last == found[-1]
        assert found[:1] in ([], [0.0])
        assert all(math.isfinite(one) for one in found)
        assert all(a < b for a, b in itertools.pairwise(found))

    @given(
        steps=st.lists(st.integers(1, 9000), min_size=1, max_size=60),
        late=st.lists(st.integers(0, 3000), min_size=61, max_size=61),
    )
    @settings(deadline=None, derandomize=True, max_examples=200)
    def test_the_spacing_of_timestamps_is_kept_however_late_they_come(
        self, steps: list[int], late: list[int]
    ) -> None:
        pts = [0.0, *itertools.accumulate(step / 1000 for step in steps)]
        arrivals = itertools.accumulate(
            (5.0 + p + d / 1000 for p, d in zip(pts, late, strict=False)), max
        )
        found = live(*zip((p + 77.0 for p in pts), arrivals, strict=True))
        assert found == pytest.approx(pts, abs=1e-6)


def sent(*frames: tuple[float, float], clock: SendingClock | None = None) -> list[float]:
    """When frames by (stream time, arrival) were sent."""
    clock = clock or SendingClock()
    return [clock.sent(time, arrival) for time, arrival in frames]


class TestSendingClock:
    def test_what_is_never_held_up_was_sent_when_it_came(self) -> None:
        frames = [(n * FRAME, 50.0 + n * FRAME) for n in range(10_000)]
        assert sent(*frames) == pytest.approx([arrival for _, arrival in frames])

    def test_what_was_held_up_has_the_time_at_which_it_was_sent(self) -> None:
        smooth = [(n * FRAME, 50.0 + n * FRAME) for n in range(25)]
        burst = [(n * FRAME, 54.0) for n in range(25, 100)]
        found = sent(*smooth, *burst)
        assert found == pytest.approx([50.0 + n * FRAME for n in range(100)])

    def test_that_is_known_after_a_minute_of_delay_too(self) -> None:
        smooth = [(float(n), 50.0 + n) for n in range(60)]
        late = [(float(n), 53.0 + n) for n in range(60, 100)]
        assert sent(*smooth, *late)[60:] == pytest.approx([50.0 + n for n in range(60, 100)])

    def test_a_delay_that_stays_is_that_of_the_way(self) -> None:
        smooth = [(float(n), 50.0 + n) for n in range(60)]
        late = [(float(n), 53.0 + n) for n in range(60, 400)]
        assert sent(*smooth, *late)[-1] == pytest.approx(53.0 + 399)

    def test_a_clock_that_drifts_is_followed(self) -> None:
        frames = [(n * 1.0, 50.0 + n * 1.001) for n in range(10_000)]
        found = sent(*frames)
        behind = [arrival - one for one, (_, arrival) in zip(found, frames, strict=True)]
        assert max(behind) <= 0.13

    def test_an_outage_is_a_new_beginning(self) -> None:
        clock = SendingClock()
        sent((0.0, 50.0), (1.0, 51.0), clock=clock)
        clock.connect()
        assert sent((5.0, 60.0), (6.0, 61.0), clock=clock) == pytest.approx([60.0, 61.0])

    @given(
        frames=st.lists(
            st.tuples(st.floats(0, 40, width=32), st.floats(0, 40, width=32)), max_size=80
        )
    )
    @settings(deadline=None, derandomize=True, max_examples=200)
    def test_nothing_is_sent_after_it_came(self, frames: list[tuple[float, float]]) -> None:
        clock = SendingClock()
        time, arrival = 0.0, 1000.0
        for step, passed in frames:
            time, arrival = time + step, arrival + passed
            assert clock.sent(time, arrival) <= arrival + 1e-9
