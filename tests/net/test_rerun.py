"""A run in a viewer of Rerun: a real one, told to write down what it gets and to show nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.frames import Decision, Keyframe, Verdict

from .broker import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

pytest.importorskip("rerun", reason="pip install 'streamvpr[rerun]'")
reading = pytest.importorskip("rerun.chunk", reason="pip install 'rerun-sdk>=0.41'")

from streamvpr.sinks.rerun_viewer import RerunViewerSink, Viewer  # noqa: E402

HOST = "127.0.0.1"


class Receiver:
    """One viewer after the other, on one port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def destination(self) -> str:
        return f"connect:{HOST}:{self.port}"

    @property
    def file(self) -> Path:
        """What the viewer that runs, or ran last, was sent."""
        return self._folder / f"sent-{self._count}.rrd"

    def start(self) -> None:
        self._count += 1
        line = [sys.executable, "-m", "rerun", "--save", str(self.file)]
        line += ["--bind", HOST, "--port", str(self.port)]
        with (self._folder / "viewer.log").open("ab") as log:
            self._process = subprocess.Popen(
                line,
                stdout=log,
                stderr=log,
                env={**os.environ, "RERUN_ANALYTICS": "0"},
                # It is a process that starts another one.
                start_new_session=True,
            )
        wait_until(self._answers, "the viewer listens", timeout=30)

    def stop(self) -> None:
        """Connections stay, and nobody takes anything from them."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def frames(self) -> list[int]:
        """Indices of the pictures that have come so far."""
        with warnings.catch_warnings():
            # It is still being written.
            warnings.simplefilter("ignore")
            try:
                chunks = reading.RrdReader(self.file).stream().to_chunks()
            except (OSError, RuntimeError, ValueError):
                return []
        pictures = [chunk for chunk in chunks if chunk.entity_path == "/cam/frame"]
        batches = [chunk.to_record_batch().column("frame") for chunk in pictures]
        return sorted(index for batch in batches for index in batch.to_pylist())

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


@pytest.fixture
def viewer(tmp_path: Path, free_port: int) -> Iterator[Receiver]:
    """One that does not run yet."""
    receiver = Receiver(tmp_path, free_port)
    yield receiver
    receiver.kill()


@contextlib.contextmanager
def following(receiver: Receiver, **options: Any) -> Iterator[RerunViewerSink]:
    """A sink that follows a run, closed in the end."""
    sink = RerunViewerSink(Viewer(HOST, receiver.port), **options)
    run = SimpleNamespace(streams=[SimpleNamespace(name="cam")], settings={"sim-threshold": 0.6})
    sink.follow(run)  # type: ignore[arg-type]
    try:
        yield sink
        sink.write_summary(None)  # type: ignore[arg-type]
    finally:
        sink.close()


def frame(index: int) -> Decision:
    keyframe = Keyframe("cam", index, index / 2, "cam.mp4", 640, 480, thumbnail=b"a picture")
    return Decision(keyframe, Verdict.EMPTY_DATABASE)


class TestPresent:
    def test_a_run_is_drawn(self, viewer: Receiver, process: Make, flight: Any) -> None:
        viewer.start()
        run = process(f"cam={flight.path}", "--fps", 0, "--rerun", viewer.destination)
        run.join()
        assert run.code == 0
        wait_until(lambda: viewer.frames() == list(range(flight.frames)), "all frames")
        assert len(run.of("query")) == flight.frames
        assert "connected" in run.err
        assert "drawings" not in run.err

    def test_one_that_is_gone_for_a_while_is_known_again(
        self, viewer: Receiver, logged: Any
    ) -> None:
        viewer.start()
        with following(viewer) as sink:
            for index in range(5):
                sink.write(frame(index))
            wait_until(lambda: viewer.frames() == list(range(5)), "the first frames")
            viewer.kill()
            index = 5
            while not logged.warnings:
                sink.write(frame(index))
                index += 1
                time.sleep(0.1)
            viewer.start()
            sink.write(frame(10**6))
            wait_until(lambda: 10**6 in viewer.frames(), "what came last")
        assert len(logged.warnings) == 1
        assert "no viewer (Connection refused)" in logged.warnings[0]


class TestAbsent:
    def test_nobody_there_holds_up_nothing(
        self, viewer: Receiver, process: Make, flight: Any
    ) -> None:
        run = process(f"cam={flight.path}", "--fps", 0, "--rerun", viewer.destination)
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        said = [line for line in run.err.splitlines() if "rerun+http" in line]
        assert len(said) == 2
        assert "no viewer (Connection refused); drawings wait" in said[0]
        assert said[1].endswith("refused or given up")
        assert "Traceback" not in run.err

    def test_one_that_comes_later_gets_what_waits(self, viewer: Receiver, logged: Any) -> None:
        with following(viewer, most=10) as sink:
            sink.write(frame(0))
            wait_until(lambda: len(logged.warnings) == 1, "that nobody is there")
            for index in range(1, 101):
                sink.write(frame(index))
            viewer.start()
            # The first one was in hand already.
            wait_until(lambda: viewer.frames() == [0, *range(91, 101)], "what waited")
        # The last one is that which sees all of them on their way.
        assert logged.warnings[-1].endswith("of 102 drawings 90 dropped, as too many waited")

    def test_one_that_stands_still_holds_up_nothing(
        self, viewer: Receiver, process: Make, flight: Any
    ) -> None:
        viewer.start()
        viewer.stop()
        run = process(f"cam={flight.path}", "--fps", 0, "--rerun", viewer.destination)
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert "Traceback" not in run.err
        assert "panic" not in run.err

    def test_who_is_no_viewer_holds_up_nothing(
        self, silent_peer: int, process: Make, flight: Any
    ) -> None:
        run = process(f"cam={flight.path}", "--fps", 0, "--rerun", f"connect:{HOST}:{silent_peer}")
        run.join()
        assert run.code == 0
        assert len(run.of("query")) == flight.frames
        assert "Traceback" not in run.err
        assert "panic" not in run.err
