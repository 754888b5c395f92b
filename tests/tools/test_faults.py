"""The fault harness in small: that promises hold under it, and that it tells where they do not."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest
import watched_run
from camera import FPS, encode
from faults import Report
from long_flight import fly
from program_faults import Outcome
from rtsp_camera import missing
from transport_stream import CLOCK, WRAP, TransportStream

if TYPE_CHECKING:
    from collections.abc import Callable

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def faults(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, report and log of tools/faults.py."""
    line = [sys.executable, str(TOOLS / "faults.py"), *map(str, arguments)]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=150)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.timeout(160)
def test_streams_recover_from_whatever_happens_to_them(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    reason = missing()
    sources = ["tcp", "http", "udp", *([] if reason else ["rtsp", "rtsp"])]
    code, report, log = faults(
        *("--faults", 3 * len(sources), "--sources", *sources),
        *("--rest", 1, "--folder", tmp_path / "logs"),
    )
    assert (code, report["breaches"]) == (0, []), log
    assert report["faults"] == report["recovered"] == 3 * len(sources)
    assert report["queries"] > 50
    assert set(report["usage"]) == {"threads", "descriptors", "resident_mb"}
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.timeout(160)
def test_a_run_that_is_killed_loses_nothing_that_was_promised() -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    code, report, log = faults("--faults", 0, "--kills", 1)
    assert (code, report["breaches"]) == (0, []), log
    assert report["kinds"]["kill -9"]["run"] == 1
    assert report["kills"]["printed"] > 0


def test_what_does_not_recover_or_is_lost_is_a_broken_promise() -> None:
    report = Report()
    report.add(Outcome("freeze", 0.5), "tcp")
    assert report.breaches == []
    report.add(Outcome("freeze"), "tcp")
    report.add(Outcome("kill -9", 1.0, lost=3, breaches=["three lines are missing"]))
    assert report.breaches == [
        "freeze (tcp): no recovery within the bound",
        "three lines are missing",
    ]
    told = report.as_json()
    assert (told["faults"], told["recovered"], told["lost"]) == (3, 2, 3)
    assert told["kinds"]["freeze (tcp)"]["slowest_s"] == 0.5


QUERY = {"type": "query", "stream": "a", "query_idx": 0, "query_time": 1.0, "decision": "accepted"}


@pytest.fixture
def saying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], watched_run.WatchedRun]:
    """A run that has said that and has ended."""

    def run(text: str) -> watched_run.WatchedRun:
        program = (sys.executable, "-c", f"print({text!r}, end='')")
        monkeypatch.setattr(watched_run, "STREAMVPR", program)
        watched = watched_run.WatchedRun([], tmp_path)
        watched.process.wait(20)
        watched.end()
        return watched

    return run


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"query_idx": 1, "query_time": 2.0}, None),
        ({"query_idx": 2, "query_time": 2.0}, "query_idx 2 after 0"),
        ({"query_idx": 1, "query_time": 1.0}, "query_time 1.0 after 1.0"),
    ],
)
def test_records_out_of_order_are_a_broken_promise(
    second: dict[str, Any], told: str | None, saying: Callable[[str], watched_run.WatchedRun]
) -> None:
    run = saying("".join(json.dumps(line) + "\n" for line in (QUERY, {**QUERY, **second})))
    assert [told in breach for breach in run.breaches if told] == ([True] if told else [])
    assert bool(run.breaches) is (told is not None)


def test_what_is_cut_off_is_a_broken_promise(
    saying: Callable[[str], watched_run.WatchedRun],
) -> None:
    run = saying(json.dumps(QUERY)[:20])
    assert len(run.breaches) == 1
    assert "no JSON" in run.breaches[0]


def decoded(pts: Callable[[int], int]) -> list[float]:
    """Seconds of 20 pictures whose timestamps are those, as FFmpeg reads them."""
    stream = TransportStream()
    data = b"".join(
        packet
        for index, picture in enumerate(encode(islice(fly(100), 20)))
        for packet in stream.picture(picture.data, pts(index), keyframe=picture.keyframe)
    )
    assert len(data) % 188 == 0
    with av.open(io.BytesIO(data), format="mpegts") as container:
        frames = list(container.decode(video=0))
    assert not any(frame.is_corrupt for frame in frames)
    return [float(frame.time or 0.0) for frame in frames]


def test_a_transport_stream_is_what_ffmpeg_takes_for_one() -> None:
    times = decoded(lambda index: 10 * CLOCK + index * CLOCK // FPS)
    assert times == pytest.approx([10 + index / FPS for index in range(20)])


def test_a_timestamp_that_wraps_goes_on() -> None:
    begin = WRAP - 10 * CLOCK // FPS
    times = decoded(lambda index: begin + index * CLOCK // FPS)
    assert times == pytest.approx([times[0] + index / FPS for index in range(20)])
