"""A camera whose actor dies: the stream goes on where it was, with what the map has of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(90)

LAP = 48
BEFORE, AFTER = 60, 20


@pytest.fixture
def camera(pan: Callable[..., Any]) -> Iterator[str]:
    """A camera that goes round and round, and shows whoever asks what it sees then."""
    laps = [
        cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        for image in pan(20, LAP, LAP)
    ]
    began, fps = time.monotonic(), 12

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            while True:
                picture = laps[int((time.monotonic() - began) * fps) % LAP]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                try:
                    self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                except OSError:
                    return
                time.sleep(1 / fps)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/video.mjpg"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_camera_goes_on_with_its_places_from_the_map(
    nodes: Any, line: Callable[..., list[str]], camera: str, tmp_path: Path
) -> None:
    what = ["--map", tmp_path / "live.vpr", "--records", "all", "--cluster", nodes.address]
    with subprocess.Popen(
        line(f"door={camera}", *what),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as running:
        said = Lines(running.stdout)
        said.wait_for(BEFORE)
        # What is remembered is in the file within half a second of being printed.
        time.sleep(1.0)
        # Ray names processes by the class of their actor.
        (process,) = nodes.processes("ray::SourceActor")
        os.kill(process, signal.SIGKILL)
        said.wait_for(len(said.queries) + AFTER)
        running.send_signal(signal.SIGINT)
        rest, err = running.communicate(timeout=40)
    assert running.returncode == 0, err.decode()
    records = [*said.records, *map(json.loads, rest.splitlines())]
    queries = [record for record in records if record["type"] == "query"]
    indices = [query["query_idx"] for query in queries]
    assert indices == list(range(len(indices)))
    times = [query["query_time"] for query in queries]
    assert all(a < b for a, b in pairwise(times))
    walls = [query["query_wall_time"] for query in queries]
    assert walls == sorted(walls)
    events = [at for at, record in enumerate(records) if record["type"] == "stream"]
    assert [records[at]["state"] for at in events][:3] == ["connected", "lost", "connected"]
    lost = events[1]
    earlier, later = (
        [record for record in part if record["type"] == "loop_closure"]
        for part in (records[:lost], records[lost:])
    )
    seen_before = [r for r in records[:lost] if r["type"] == "query"][-1]["query_idx"]
    assert [r for r in later if r["match_idx"] <= seen_before and r["match_session"] is None]
    assert max(r["loop_id"] for r in earlier) < min(r["loop_id"] for r in later)
    assert b"stream door: its actor on node" in err
    assert b"Traceback" not in err


class Lines:
    """The records of a run as they come."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.records: list[dict[str, Any]] = []

    @property
    def queries(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == "query"]

    def wait_for(self, count: int) -> None:
        """Read until so many queries are there."""
        while len(self.queries) < count:
            text = self._stream.readline()
            assert text, "the run has ended"
            self.records.append(json.loads(text))
