"""Benchmarks: what figures stand for, what two of them say, whose turn it is."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvpr.bench.against import Verdict, difference
from streamvpr.bench.figures import Figure, figure, percentile
from streamvpr.bench.floors import read_places
from streamvpr.bench.serial import OneAtATime
from streamvpr.bench.spent import Rate, Spent, clock_without_this_thread, time_work
from streamvpr.watch import part, watched

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUES = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30)


def work(seconds: float) -> None:
    """Keep a processor busy for so long, of this thread's own time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


class TestFigures:
    @given(values=VALUES, share=st.floats(0.01, 1))
    def test_a_percentile_is_one_of_the_values_and_so_many_do_not_exceed_it(
        self, values: list[float], share: float
    ) -> None:
        found = percentile(values, share)
        assert found in values
        assert sum(value <= found for value in values) >= share * len(values) - 1e-9
        assert sum(value < found for value in values) < share * len(values)

    def test_the_percentiles_of_a_hundred(self) -> None:
        values = [float(value) for value in range(100, 0, -1)]
        assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]

    def test_a_figure_has_the_median_of_its_turns_and_six_digits(self) -> None:
        found = figure([3.14159265, 1.0, 1234567.8], "ms")
        assert (found.median, found.values) == (3.14159, [3.14159, 1.0, 1234570.0])
        assert (found.least, found.most, found.spread) == (1.0, 1234570.0, 1234569.0)

    def test_a_rate_counts_frames_by_both_clocks(self) -> None:
        rate = Rate(20, Spent(wall=2.0, cpu=3.0))
        assert (rate.per_second, rate.cpu) == (10, 0.15)


def of(*values: float, better: str = "lower") -> Figure:
    return figure(values, "ms", better="higher" if better == "higher" else "lower")


class TestAgainst:
    @pytest.mark.parametrize(
        ("before", "now", "verdict"),
        [
            ((10, 10.5, 11), (10.4, 10.8, 11.2), Verdict.ALIKE),
            ((10, 10.5, 11), (20, 20.5, 21), Verdict.WORSE),
            ((20, 20.5, 21), (10, 10.5, 11), Verdict.BETTER),
            ((10, 10, 10), (10, 10, 10), Verdict.ALIKE),
            ((10, 10, 10), (10.1, 10.1), Verdict.WORSE),
            ((10, 10.5, 11), (20.5,), Verdict.UNTOLD),
            ((10,), (20, 20.5, 21), Verdict.UNTOLD),
        ],
    )
    def test_times(self, before: Sequence[float], now: Sequence[float], verdict: Verdict) -> None:
        assert difference(of(*before), of(*now)).verdict is verdict

    def test_of_rates_the_higher_is_the_better(self) -> None:
        slow, fast = (of(*values, better="higher") for values in ((10, 11), (30, 31)))
        assert difference(slow, fast).verdict is Verdict.BETTER
        assert difference(fast, slow).verdict is Verdict.WORSE

    def test_turns_that_do_not_meet_may_still_be_chance(self) -> None:
        found = difference(of(10, 11, 12), of(12.5, 13, 14))
        assert found.verdict is Verdict.ALIKE
        assert found.ratio == pytest.approx(13 / 11, abs=1e-3)

    def test_nothing_has_no_ratio(self) -> None:
        assert difference(of(0, 0), of(1, 1)).ratio is None

    @given(before=VALUES, now=VALUES)
    def test_what_is_better_one_way_is_worse_the_other(
        self, before: list[float], now: list[float]
    ) -> None:
        there, back = difference(of(*before), of(*now)), difference(of(*now), of(*before))
        opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
        assert back.verdict is opposite.get(there.verdict, there.verdict)


class TestOneAtATime:
    def test_no_two_stages_work_at_once(self) -> None:
        watch, together, most = OneAtATime(lambda: 0), 0, 0

        def stage() -> None:
            nonlocal together, most
            together += 1
            most = max(most, together)
            time.sleep(0.002)
            together -= 1

        with ThreadPoolExecutor(4) as pool:
            names = ["decode-a", "prepare", "embed", "emit"] * 5
            for _ in pool.map(lambda name: watched(watch, name, stage), names):
                pass
        assert most == 1

    def test_a_part_is_told_from_the_rest_of_its_stage(self) -> None:
        watch = OneAtATime(lambda: 0)

        def recognize() -> object:
            work(0.02)
            for _ in range(2):
                assert part("verify", lambda: work(0.03) or 7) == 7
            return self

        with ThreadPoolExecutor(1) as stage:
            assert stage.submit(watched, watch, "recognize", recognize).result() is self
            stage.submit(watched, watch, "recognize", object).result()
        found = watch.stages
        assert list(found) == ["search", "verify"]
        assert [len(times.frames) for times in found.values()] == [2, 1]
        assert 0.02 <= found["search"].frames[0].cpu < 0.04
        assert 0.06 <= found["verify"].frames[0].cpu < 0.08

    def test_frames_of_a_batch_share_what_it_took(self) -> None:
        watch = OneAtATime(lambda: 0)
        watched(watch, "embed", lambda: (time.sleep(0.03), np.zeros((3, 4)))[1])
        (times,) = watch.stages.values()
        assert len(times.frames) == 3
        assert sum(frame.wall for frame in times.frames) == pytest.approx(times.total.wall)
        assert times.total.wall >= 0.03

    def test_the_end_of_a_source_is_no_frame_and_emitting_counts_what_was_written(self) -> None:
        written = 0

        def emit() -> None:
            nonlocal written
            written += 2

        watch = OneAtATime(lambda: written)
        watched(watch, "decode-a", object)
        watched(watch, "decode-b", lambda: None)
        watched(watch, "emit", emit)
        assert {name: len(times.frames) for name, times in watch.stages.items()} == {
            "decode": 1,
            "emit": 2,
        }

    def test_a_stage_that_fails_lets_the_next_one_work(self) -> None:
        watch = OneAtATime(lambda: 0)
        with pytest.raises(ZeroDivisionError):
            watched(watch, "prepare", lambda: 1 / 0)
        assert watched(watch, "prepare", lambda: 5) == 5

    def test_threads_of_a_library_count_and_the_event_loop_does_not(self) -> None:
        clock = clock_without_this_thread()
        began = clock()
        other = threading.Thread(target=work, args=(0.05,))
        other.start()
        work(0.05)
        other.join()
        assert 0.05 <= (clock() - began).cpu < 0.08


class TestFloors:
    def test_a_larger_past_takes_longer_to_read(self) -> None:
        small, large = (read_places(places, 256) for places in (100, 50_000))
        assert 0 < small < large

    def test_what_would_fill_the_memory_is_reckoned_from_a_part(self) -> None:
        assert time_work(lambda: read_places(10_000_000, 2048)).wall < 15


def test_where_nobody_watches_work_is_done_all_the_same() -> None:
    assert part("verify", lambda: 3) == 3
