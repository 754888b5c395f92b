"""Options: how time is written, what the exclusions amount to, what run.toml says."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.channel import Overflow
from streamvpr.config import (
    DEFAULT_EXCLUDE_RECENT,
    Device,
    MatchOptions,
    Records,
    RunOptions,
    require_clock,
)
from streamvpr.errors import ConfigError
from streamvpr.parsing import parse_av_option, parse_seconds
from streamvpr.sampler import Exclusion
from streamvpr.sources import Clip, Decoding, SourceOptions, Transport


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("2.5", 2.5),
        ("1:30", 90),
        ("01:02:03", 3723),
        ("0:0:0.25", 0.25),
        ("100:00:00", 360_000),
    ],
)
def test_seconds_are_written_as_ffmpeg_takes_them(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "1:2:3:4", "-1", "1:-2", "nan", "inf", "1:", ":1", "1e400", "1e308:0", "1,5"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever float() says
        parse_seconds(text)


@given(text=st.text("0123456789:.e-+infa ", max_size=12))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_accepted_is_a_finite_time(text: str) -> None:
    try:
        seconds = parse_seconds(text)
    except ValueError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
@settings(deadline=None, derandomize=True)
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    text = f"{hours:02}:{minutes:02}:{seconds:02}"
    assert parse_seconds(text) == hours * 3600 + minutes * 60 + seconds


class TestExclusion:
    def test_by_default_the_newest_thirty_cannot_match(self) -> None:
        assert DEFAULT_EXCLUDE_RECENT == 30
        assert RunOptions().exclusion() == Exclusion(gap=31)

    @pytest.mark.parametrize(("recent", "gap"), [(0, 1), (1, 2), (100, 101)])
    def test_the_newest_n_cannot_match(self, recent: int, gap: int) -> None:
        assert RunOptions(exclude_recent=recent).exclusion() == Exclusion(gap=gap)

    @pytest.mark.parametrize(
        ("recent", "least", "gap"),
        [(30, 50, 50), (30, 31, 31), (30, 32, 32), (30, 10, 31), (0, 0, 1)],
    )
    def test_the_larger_of_both_holds(self, recent: int, least: int, gap: int) -> None:
        options = RunOptions(exclude_recent=recent, min_loop_gap=least)
        assert options.exclusion() == Exclusion(gap=gap)

    def test_the_larger_gap_holds_over_the_default(self) -> None:
        assert RunOptions(min_loop_gap=50).exclusion() == Exclusion(gap=50)
        assert RunOptions(min_loop_gap=5).exclusion() == Exclusion(gap=31)

    def test_seconds_alone_take_the_place_of_the_default(self) -> None:
        assert RunOptions(exclude_seconds=20).exclusion() == Exclusion(gap=1, seconds=20)

    def test_seconds_hold_beside_a_count_that_was_asked_for(self) -> None:
        options = RunOptions(exclude_seconds=20, exclude_recent=4)
        assert options.exclusion() == Exclusion(gap=5, seconds=20)
        options = RunOptions(exclude_seconds=20, min_loop_gap=7)
        assert options.exclusion() == Exclusion(gap=7, seconds=20)


class TestEffective:
    @pytest.mark.parametrize(
        "options",
        [
            RunOptions(),
            MatchOptions(),
            MatchOptions(output_dir=None),
            RunOptions(
                av_option=("a=b", "c=d"),
                credentials=Path("logins"),
                decode=Decoding.KEYFRAMES,
                on_overload=Overflow.DROP_OLDEST,
                reconnect_for=0.0,
            ),
            RunOptions(
                model="a/b.onnx",
                device=Device.CPU,
                records=Records.ALL,
                output_dir=Path("out dir"),
                exclude_seconds=2.5,
                sim_threshold=0.7,
                fps=0,
            ),
        ],
    )
    def test_it_is_toml_that_reads_back_the_same(self, options: RunOptions | MatchOptions) -> None:
        effective = options.effective()
        assert tomllib.loads(tomli_w.dumps(effective)) == effective

    def test_keys_are_written_as_flags_are(self) -> None:
        effective = RunOptions().effective()
        assert "top-k" in effective
        assert "min-loop-gap" in effective
        assert not [key for key in effective if "_" in key]

    def test_what_is_unset_is_left_out_and_what_is_false_or_zero_is_not(self) -> None:
        effective = RunOptions(verify_geom=False, fps=0).effective()
        assert "sim-threshold" not in effective
        assert effective["verify-geom"] is False
        assert effective["fps"] == 0
        assert effective["seed"] == 0

    def test_choices_and_paths_are_plain_text(self) -> None:
        effective = MatchOptions(device=Device.CUDA).effective()
        assert type(effective["device"]) is str
        assert effective["device"] == "cuda"
        assert effective["output-dir"] == "outputs"


class TestSourceOptions:
    def test_all_that_sources_are_told(self) -> None:
        options = RunOptions(
            start=1.0,
            duration=2.0,
            fps=0.5,
            video_stream=3,
            decode=Decoding.KEYFRAMES,
            hwaccel="cuda",
            av_option=("rtsp_flags=prefer_tcp", "headers=A: b=c"),
            credentials=Path("logins"),
            rtsp_transport=Transport.UDP,
            connect_timeout=7.0,
            read_timeout=8.0,
            reconnect_delay=9.0,
            reconnect_for=10.0,
        )
        assert options.source_options() == SourceOptions(
            clip=Clip(1.0, 2.0),
            fps=0.5,
            video_stream=3,
            decoding=Decoding.KEYFRAMES,
            hwaccel="cuda",
            av_options=(("rtsp_flags", "prefer_tcp"), ("headers", "A: b=c")),
            credentials=Path("logins"),
            rtsp_transport=Transport.UDP,
            connect_timeout=7.0,
            read_timeout=8.0,
            reconnect_delay=9.0,
            reconnect_for=10.0,
        )

    @pytest.mark.parametrize("options", [RunOptions(), MatchOptions()])
    def test_the_defaults_are_those_of_the_sources(
        self, options: RunOptions | MatchOptions
    ) -> None:
        assert options.source_options() == SourceOptions()

    @pytest.mark.parametrize(
        ("text", "pair"),
        [
            ("key=value", ("key", "value")),
            (" key =value", ("key", "value")),
            ("key=", ("key", "")),
            ("key=a=b", ("key", "a=b")),
        ],
    )
    def test_an_option_of_ffmpeg_is_a_key_and_a_value(
        self, text: str, pair: tuple[str, str]
    ) -> None:
        assert parse_av_option(text) == pair

    @pytest.mark.parametrize("text", ["", "key", "=value", " =value"])
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="key=value"):
            parse_av_option(text)


class TestRequireClock:
    def test_seconds_need_a_source_with_a_clock(self) -> None:
        with pytest.raises(ConfigError, match="exclude-seconds 5: photos"):
            require_clock(RunOptions(exclude_seconds=5), source="photos", has_clock=False)

    def test_nothing_else_does(self) -> None:
        require_clock(RunOptions(exclude_seconds=5), source="a.mp4", has_clock=True)
        require_clock(RunOptions(exclude_recent=5), source="photos", has_clock=False)


def test_the_defaults_are_those_that_are_documented() -> None:
    options = RunOptions()
    assert options.model is None
    assert options.device is Device.AUTO
    assert options.fps is None
    assert options.sim_threshold is None
    assert (options.top_k, options.capacity, options.min_loop_gap) == (5, 20_000, 0)
    assert (options.verify_geom, options.min_inliers, options.reproj_thresh) == (True, 20, 3.0)
    assert options.records is Records.LOOPS
    assert options.output_dir is None
    assert options.seed == 0
    assert (options.decode, options.rtsp_transport) == (Decoding.AUTO, Transport.TCP)
    assert (options.connect_timeout, options.read_timeout) == (5.0, 5.0)
    assert (options.reconnect_delay, options.reconnect_for) == (1.0, None)
    assert (options.on_overload, options.health_every, options.shared_places) == (None, None, False)
    assert (options.hwaccel, options.av_option, options.credentials) == (None, (), None)
    assert MatchOptions().output_dir == Path("outputs")
