"""Video on standard input, from a real ffmpeg and a real GStreamer: the same as from the file."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

FFMPEG = shutil.which("ffmpeg")
GST_LAUNCH = shutil.which("gst-launch-1.0")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg: apt-get install ffmpeg")
needs_gst = pytest.mark.skipif(
    GST_LAUNCH is None,
    reason="no gst-launch-1.0: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-libav",
)


@pytest.fixture
def piped(tiny_model: Path) -> Callable[..., list[dict[str, Any]]]:
    """The records of `PRODUCER | streamvpr run cam=-`."""

    def run(producer: list[str], *arguments: object) -> list[dict[str, Any]]:
        line = [sys.executable, "-m", "streamvpr", "run", "cam=-", "--records", "queries"]
        line += ["--model", str(tiny_model), "--threads", "1", *map(str, arguments)]
        with subprocess.Popen(producer, stdout=subprocess.PIPE) as source:
            done = subprocess.run(
                line, stdin=source.stdout, capture_output=True, timeout=30, check=False
            )
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(text) for text in done.stdout.splitlines()]

    return run


@pytest.fixture
def of_file(tiny_model: Path) -> Callable[..., list[dict[str, Any]]]:
    """The records of `streamvpr run cam=FILE`."""

    def run(path: Path, *arguments: object) -> list[dict[str, Any]]:
        line = [sys.executable, "-m", "streamvpr", "run", f"cam={path}", "--records", "queries"]
        line += ["--model", str(tiny_model), "--threads", "1", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, timeout=30, check=True)
        return [json.loads(text) for text in done.stdout.splitlines()]

    return run


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "query_time"} for record in records]


@needs_ffmpeg
class TestFfmpeg:
    @pytest.mark.parametrize("fps", [0, 2])
    @pytest.mark.parametrize("container", ["matroska", "nut", "mpegts"])
    def test_another_container_is_the_same_video(
        self, piped: Make, of_file: Make, flight: Any, container: str, fps: int
    ) -> None:
        producer = f"{FFMPEG} -v error -i {flight.path} -c copy -f {container} -".split()
        found = piped(producer, "--fps", fps)
        expected = of_file(flight.path, "--fps", fps)
        assert without_times(found) == without_times(expected)
        # A transport stream begins later than at 0.
        begins = found[0]["query_time"] - expected[0]["query_time"]
        assert (begins > 1) is (container == "mpegts")
        for one, other in zip(found, expected, strict=True):
            assert one["query_time"] - begins == pytest.approx(other["query_time"], abs=2e-3)

    def test_decoded_by_ffmpeg(self, piped: Make, of_file: Make, flight: Any) -> None:
        producer = f"{FFMPEG} -v error -i {flight.path} -f yuv4mpegpipe -".split()
        assert piped(producer, "--fps", 0) == of_file(flight.path, "--fps", 0)

    @pytest.mark.parametrize("codec", ["h264", "hevc"])
    def test_a_bare_elementary_stream_counts_by_its_rate(
        self, piped: Make, of_file: Make, make_video: Make, pan: Make, tmp_path: Path, codec: str
    ) -> None:
        """It has no timestamps, and says nothing of its rate."""
        encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
        path = make_video(tmp_path / "a.mkv", pan(0, 60, 48), codec=encoder, options={"bf": "0"})
        producer = f"{FFMPEG} -v error -i {path} -c copy -f {codec} -".split()
        found = piped(producer, "--fps", 0, "--av-option", "framerate=10")
        assert without_times(found) == without_times(of_file(path, "--fps", 0))
        times = [record["query_time"] for record in found]
        assert times == pytest.approx([index / 10 for index in range(60)], abs=0.2)


@needs_gst
def test_decoded_by_gstreamer(piped: Make, of_file: Make, flight: Any) -> None:
    """The way to the hardware decoder of a Jetson, with the software's in its place.

    By way of NV12: y4menc writes the padding of a decoder's own buffers, too.
    """
    pipeline = (
        f"{GST_LAUNCH} -q filesrc location={flight.path} ! qtdemux ! h264parse ! avdec_h264"
        " ! videoconvert ! video/x-raw,format=NV12"
        " ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink"
    )
    found = piped(pipeline.split(), "--fps", 0)
    expected = of_file(flight.path, "--fps", 0)
    for key in ("query_idx", "query_time", "decision", "match_idx"):
        assert [record[key] for record in found] == [record[key] for record in expected]
    # Its conversion to and fro rounds a little.
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=0.01)


class TestEnds:
    def start(self, tiny_model: Path, *arguments: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "streamvpr", "run", "-", "--model", str(tiny_model)]
        return subprocess.Popen(
            [*line, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def test_what_is_no_video_is_one_line_and_exit_code_4(self, tiny_model: Path) -> None:
        with self.start(tiny_model) as run:
            out, err = run.communicate(b"no video" * 1000, timeout=20)
        assert (run.returncode, out) == (4, b"")
        assert b"streamvpr: error: cannot open -: " in err
        assert b"Traceback" not in err

    def test_nothing_at_all_too(self, tiny_model: Path) -> None:
        with self.start(tiny_model) as run:
            out, err = run.communicate(b"", timeout=20)
        assert (run.returncode, out) == (4, b"")
        assert err.splitlines()[-1].startswith(b"streamvpr: error: ")

    def test_an_interrupt_ends_a_pipe_that_has_fallen_silent(
        self, tiny_model: Path, flight: Any
    ) -> None:
        data = flight.path.with_suffix(".mkv")
        if not data.exists():
            pytest.importorskip("av")
            remux(flight.path, data)
        with self.start(tiny_model, "--records", "queries", "--fps", "0") as run:
            assert run.stdin is not None
            assert run.stdout is not None
            run.stdin.write(data.read_bytes()[:-2000])
            run.stdin.flush()
            run.stdout.readline()
            time.sleep(0.3)
            began = time.monotonic()
            run.send_signal(signal.SIGINT)
            out, err = run.stdout.read(), run.stderr.read() if run.stderr else b""
            assert run.wait(10) == 0
            assert time.monotonic() - began < 3
        assert b"Traceback" not in err
        assert len(out.splitlines()) > 20

    def test_a_reader_that_leaves_ends_the_run_quietly(self, tiny_model: Path, flight: Any) -> None:
        data = flight.path.with_suffix(".mkv")
        if not data.exists():
            remux(flight.path, data)
        with self.start(tiny_model, "--records", "queries", "--fps", "0", "--quiet") as run:
            assert run.stdin is not None
            assert run.stdout is not None
            run.stdin.write(data.read_bytes()[:-2000])
            run.stdin.flush()
            run.stdout.readline()
            run.stdout.close()
            assert run.wait(10) == 0


def remux(source: Path, target: Path) -> None:
    """Copy a video into another container."""
    import av

    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        track = given.streams.video[0]
        copy = made.add_stream_from_template(track)
        for packet in given.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                made.mux(packet)
