"""Another implementation of RTSP, which serves files over TCP."""

from __future__ import annotations

import importlib.util
import itertools
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aio_rtsp_toolkit") is None,
    reason="no second RTSP server: pip install aio-rtsp-toolkit",
)
CODE = (
    "import asyncio, sys; from aio_rtsp_toolkit import server;"
    "asyncio.run(server.serve(sys.argv[1], '127.0.0.1', int(sys.argv[2]),"
    " control_port=int(sys.argv[3])))"
)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def toolkit(make_video: Make, pan: Make, tmp_path: Path) -> Iterator[str]:
    """The address of a film of 60 pictures at 10 a second."""
    folder = tmp_path / "films"
    folder.mkdir()
    make_video(folder / "film.mp4", pan(0, 60, 48), options={"bf": "0"})
    port = unused_port()
    log = (tmp_path / "toolkit.log").open("wb")
    line = [sys.executable, "-c", CODE, str(folder), str(port), str(unused_port())]
    with log, subprocess.Popen(line, stdout=log, stderr=log) as server:
        deadline = time.monotonic() + 10
        while server.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"rtsp://127.0.0.1:{port}/film.mp4"
        server.kill()


def test_its_stream_is_read(toolkit: str, live: Make) -> None:
    run = live(toolkit)
    run.wait_for(30, "query")
    run.stop()
    assert run.error is None
    times = [line["query_time"] for line in run.of("query")][:30]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert steps[5:] == pytest.approx([0.1] * len(steps[5:]), abs=5e-3)
    assert run.of("stream")[0]["codec"] == "h264"
