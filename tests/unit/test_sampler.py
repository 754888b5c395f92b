"""Which frames become keyframes: the grid of stream time, the exclusion, the stillness gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sampler import Exclusion, ExclusionWindow, FrameRateSampler, StillnessGate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.frames import Image


def picked(fps: float, times: Sequence[float | None]) -> list[int]:
    sampler = FrameRateSampler(fps)
    return [n for n, time in enumerate(times) if sampler.wants(time)]


class TestFrameRateSampler:
    @pytest.mark.parametrize("fps", [-1.0, float("nan"), float("inf")])
    def test_a_rate_that_is_none_is_refused(self, fps: float) -> None:
        with pytest.raises(ValueError, match="fps"):
            FrameRateSampler(fps)

    def test_two_a_second_of_a_constant_rate(self) -> None:
        assert picked(2, [n / 30 for n in range(91)]) == [0, 15, 30, 45, 60, 75, 90]

    def test_the_grid_begins_at_the_first_frame(self) -> None:
        assert picked(2, [100.3 + n / 10 for n in range(11)]) == [0, 5, 10]

    def test_zero_is_every_frame(self) -> None:
        assert picked(0, [0.0, 0.001, 5.0]) == [0, 1, 2]

    def test_frames_without_a_time_are_all_picked(self) -> None:
        assert picked(2, [None] * 4) == [0, 1, 2, 3]

    def test_more_than_there_are_is_every_frame(self) -> None:
        assert picked(100, [n / 25 for n in range(20)]) == list(range(20))

    def test_the_rate_of_the_film_itself_is_every_frame(self) -> None:
        assert picked(30, [n / 30 for n in range(300)]) == list(range(300))

    @pytest.mark.parametrize("rate", [24, 30, 60, 30000 / 1001])
    @pytest.mark.parametrize("first", [0, 1, 2, 20])
    def test_the_rate_of_the_film_itself_is_every_frame_on_a_clock_of_milliseconds(
        self, rate: float, first: int
    ) -> None:
        times = [round(n / rate, 3) for n in range(first, first + 300)]
        assert picked(rate, times) == list(range(300))

    def test_a_gap_gives_one_frame_and_not_one_for_each_missed_point(self) -> None:
        times = [0.0, 0.1, 9.7, 9.8, 9.9, 10.0, 10.1]
        assert picked(1, times) == [0, 2, 5]

    def test_a_burst_gives_no_extra_frames(self) -> None:
        times = [0.0, *(0.3 + n / 1000 for n in range(50)), 1.0]
        assert picked(2, times) == [0, 51]

    def test_a_variable_rate_takes_the_first_at_or_after_each_point(self) -> None:
        times = [0.0, 0.4, 0.6, 0.9, 1.0, 1.7, 1.9, 2.6]
        assert picked(2, times) == [0, 2, 4, 5, 7]

    def test_hours_of_ntsc_do_not_drift(self) -> None:
        times = [round(n * 1001 / 30000, 3) for n in range(30 * 3600 * 2)]
        found = picked(2, times)
        assert len(found) == int(times[-1] * 2) + 1
        late = [times[n] - k / 2 for k, n in enumerate(found)]
        assert min(late) > -0.0015
        assert max(late) < 1001 / 30000

    @given(
        steps=st.lists(st.integers(1, 200), min_size=1, max_size=60),
        first=st.integers(0, 1000),
        rate=st.sampled_from([0.5, 1, 2, 4, 8]),
    )
    @settings(deadline=None, derandomize=True)
    def test_what_is_picked_is_the_first_frame_at_or_after_each_point(
        self, steps: list[int], first: int, rate: float
    ) -> None:
        # Sixty-fourths of a second are exact, as are the points of these grids.
        times = [(first + sum(steps[:n])) / 64 for n in range(len(steps) + 1)]
        points = [times[0] + k / rate for k in range(int((times[-1] - times[0]) * rate) + 1)]
        naive = {min(n for n, time in enumerate(times) if time >= point) for point in points}
        assert picked(rate, times) == sorted(naive)


class TestExclusionWindow:
    @pytest.mark.parametrize("gap", [0, -3])
    def test_a_gap_below_one_is_refused(self, gap: int) -> None:
        with pytest.raises(ValueError, match="gap"):
            Exclusion(gap=gap)

    @pytest.mark.parametrize("gap", [1, 2, 31])
    def test_by_index_the_end_is_the_first_that_is_too_recent(self, gap: int) -> None:
        window = ExclusionWindow(Exclusion(gap=gap))
        for query in range(100):
            end = window.advance(query, query / 2)
            assert [m for m in range(query + 1) if m < end] == [
                m for m in range(query + 1) if query - m >= gap
            ]

    def test_by_seconds_what_is_exactly_as_old_is_admitted(self) -> None:
        window = ExclusionWindow(Exclusion(gap=1, seconds=2.0))
        assert [window.advance(n, n / 2) for n in range(7)] == [0, 0, 0, 0, 1, 2, 3]

    def test_by_seconds_a_gap_in_time_admits_all_before_it(self) -> None:
        window = ExclusionWindow(Exclusion(gap=1, seconds=10.0))
        assert [window.advance(n, t) for n, t in enumerate([0.0, 1.0, 2.0, 60.0])] == [0, 0, 0, 3]

    def test_the_least_gap_holds_beside_the_seconds(self) -> None:
        window = ExclusionWindow(Exclusion(gap=3, seconds=1.0))
        times = [0.0, 50.0, 100.0, 150.0, 200.0]
        assert [window.advance(n, t) for n, t in enumerate(times)] == [0, 0, 0, 1, 2]

    def test_no_seconds_still_keeps_a_frame_from_itself(self) -> None:
        window = ExclusionWindow(Exclusion(gap=1, seconds=0.0))
        assert [window.advance(n, float(n)) for n in range(3)] == [0, 1, 2]

    @given(
        steps=st.lists(st.integers(1, 300), max_size=50),
        gap=st.integers(1, 12),
        seconds=st.one_of(st.none(), st.integers(0, 600).map(lambda n: n / 64)),
    )
    @settings(deadline=None, derandomize=True)
    def test_as_many_are_admitted_as_a_naive_count_says(
        self, steps: list[int], gap: int, seconds: float | None
    ) -> None:
        window = ExclusionWindow(Exclusion(gap=gap, seconds=seconds))
        times = [sum(steps[:n]) / 64 for n in range(len(steps) + 1)]
        for query, now in enumerate(times):
            end = window.advance(query, now)
            old = [m for m in range(query) if query - m >= gap]
            if seconds is not None:
                old = [m for m in old if now - times[m] >= seconds]
            assert end == len(old)


def texture(seed: int) -> Image:
    """A wide landscape (240, 640) of soft shapes, mean about 128."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (12, 32)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (640, 240), interpolation=cv2.INTER_CUBIC), 0, 255).astype(
        np.uint8
    )


def view(landscape: Image, x: float = 0.0) -> Image:
    """What a camera that looks at `x` (cells of the gate's grid) sees of it: (48, 64)."""
    step = 5  # source pixels a cell
    shifted = cv2.warpAffine(
        landscape, np.float32([[1, 0, -x * step], [0, 1, 0]]), (320, 240), flags=cv2.INTER_LINEAR
    )
    size = (StillnessGate.WIDTH, StillnessGate.HEIGHT)
    return np.asarray(cv2.resize(shifted, size, interpolation=cv2.INTER_AREA), np.uint8)


def noisy(picture: Image, seed: int, sigma: float = 4.0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def gate_of(gap: int = 31, seconds: float | None = None) -> StillnessGate:
    return StillnessGate(Exclusion(gap=gap, seconds=seconds))


@pytest.mark.parametrize("seed", range(4))
class TestStillnessGate:
    def test_the_first_view_is_new(self, seed: int) -> None:
        assert gate_of().observe(0, 0.0, view(texture(seed))) is None

    def test_the_same_view_with_noise_stays_the_first_one_however_long(self, seed: int) -> None:
        gate, still = gate_of(), view(texture(seed))
        found = [gate.observe(n, n / 2, noisy(still, n)) for n in range(200)]
        assert found == [None] + [0] * 199

    @pytest.mark.parametrize(("gain", "offset"), [(0.6, 0), (1.0, -15), (0.7, 60)])
    def test_a_change_of_brightness_is_the_same_view(
        self, seed: int, gain: float, offset: float
    ) -> None:
        gate, still = gate_of(), view(texture(seed))
        gate.observe(0, 0.0, still)
        darker = np.clip(still * gain + offset, 0, 255).astype(np.uint8)
        assert gate.observe(1, 0.5, noisy(darker, 1, sigma=2)) == 0

    @pytest.mark.parametrize("shade", [40, 90, 200])
    def test_a_person_who_walks_through_does_not_move_the_camera(
        self, seed: int, shade: int
    ) -> None:
        gate, still = gate_of(), view(texture(seed))
        gate.observe(0, 0.0, still)
        width, height = 8, 31  # 8 % of 64 x 48
        for n, x in enumerate(range(0, 64 - width + 1, 4), 1):
            passing = still.copy()
            passing[12 : 12 + height, x : x + width] = shade
            assert gate.observe(n, n / 2, noisy(passing, n)) == 0, f"at {x}"

    @pytest.mark.parametrize("cells", [6, 10, 40])
    def test_a_camera_that_has_turned_sees_a_new_view(self, seed: int, cells: int) -> None:
        gate, landscape = gate_of(), texture(seed)
        gate.observe(0, 0.0, view(landscape))
        assert gate.observe(1, 0.5, view(landscape, cells)) is None

    def test_a_slow_pan_adds_up_to_new_views(self, seed: int) -> None:
        gate, landscape = gate_of(), texture(seed)
        found = [gate.observe(n, n / 2, view(landscape, n / 4)) for n in range(120)]
        new = [n for n, same in enumerate(found) if same is None]
        assert found[1] == 0, "a quarter of a cell is no motion"
        assert len(new) >= 4, "thirty cells are"
        for n, same in enumerate(found):
            assert same is None or same == max(k for k in new if k <= n)

    def test_a_view_is_forgotten_when_the_exclusion_has_run_out(self, seed: int) -> None:
        gate, landscape = gate_of(gap=10), texture(seed)
        home = view(landscape)
        gate.observe(0, 0.0, home)
        for n in range(1, 10):
            assert gate.observe(n, n / 2, view(landscape, 24)) == (None if n == 1 else 1)
        assert gate.observe(10, 5.0, home) is None, "it can be matched by now"

    def test_a_view_is_known_as_long_as_it_cannot_be_matched(self, seed: int) -> None:
        gate, landscape = gate_of(gap=10), texture(seed)
        home = view(landscape)
        gate.observe(0, 0.0, home)
        for n in range(1, 9):
            gate.observe(n, n / 2, view(landscape, 24))
        assert gate.observe(9, 4.5, home) == 0

    def test_the_window_counts_from_when_a_view_was_last_seen(self, seed: int) -> None:
        gate, landscape = gate_of(gap=10), texture(seed)
        home, away = view(landscape), view(landscape, 24)
        for n in range(30):
            gate.observe(n, n / 2, home)
        for n in range(30, 38):
            gate.observe(n, n / 2, away)
        assert gate.observe(38, 19.0, home) == 0

    def test_the_window_may_be_in_seconds(self, seed: int) -> None:
        landscape = texture(seed)
        home, away = view(landscape), view(landscape, 24)
        for pause, same in ((9.0, 0), (10.0, None)):
            gate = gate_of(gap=1, seconds=10.0)
            gate.observe(0, 0.0, home)
            gate.observe(1, 1.0, away)
            assert gate.observe(2, pause, home) == same

    def test_views_that_alternate_are_kept_once_each(self, seed: int) -> None:
        gate, landscape = gate_of(), texture(seed)
        views = [view(landscape), view(landscape, 20), view(landscape, 40)]
        found = [gate.observe(n, n / 2, noisy(views[n % 3], n)) for n in range(90)]
        assert found == [None, None, None] + [n % 3 for n in range(3, 90)]

    def test_one_place_is_not_another(self, seed: int) -> None:
        gate = gate_of()
        gate.observe(0, 0.0, view(texture(seed)))
        assert gate.observe(1, 0.5, view(texture(seed + 100))) is None


def test_a_dark_picture_with_noise_stays_one_view() -> None:
    gate, dark = gate_of(), np.full((48, 64), 6, np.uint8)
    assert [gate.observe(n, n / 2, noisy(dark, n, sigma=0.6)) for n in range(50)] == [None] + [
        0
    ] * 49


def test_a_light_that_goes_on_is_a_new_view() -> None:
    gate = gate_of()
    gate.observe(0, 0.0, np.full((48, 64), 4, np.uint8))
    assert gate.observe(1, 0.5, view(texture(1))) is None


def test_memory_is_bounded_however_many_views_come() -> None:
    gate = gate_of(gap=1000)
    for n in range(200):
        gate.observe(n, n / 2, view(texture(n)))
    assert len(gate._views) <= StillnessGate.MOST_VIEWS + 1
