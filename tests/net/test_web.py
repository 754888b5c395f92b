"""Pictures over HTTP and UDP, from real servers and a real ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg: apt-get install ffmpeg")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, with the part that is asked for, and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(handler) -> address`: an HTTP server on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def start(handler: Any, port: int = 0) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_file_of_a_web_server_is_a_file(
    serve: Make, live: Make, make_video: Make, pan: Make, tmp_path: Path
) -> None:
    path = make_video(tmp_path / "flight.mp4", pan(0, 60, 48))
    run = live(str(path))
    run.join()
    expected = run.of("query")
    address = serve(partial(Quiet, directory=str(tmp_path)))
    run = live(f"{address}/flight.mp4")
    run.join()
    assert run.error is None
    assert run.of("query") == expected
    assert run.states() == ["connected", "ended"]
    assert run.of("stream")[0]["stream"] == "flight"


@needs_ffmpeg
def test_hls_with_an_end(serve: Make, live: Make, flight: Any, tmp_path: Path) -> None:
    command = f"{FFMPEG} -v error -i {flight.path} -c copy -hls_time 1 -hls_list_size 0 -f hls"
    subprocess.run([*command.split(), str(tmp_path / "a.m3u8")], check=True)
    run = live(f"{serve(partial(Quiet, directory=str(tmp_path)))}/a.m3u8")
    run.join()
    assert len(run.of("query")) == flight.frames
    assert run.states() == ["connected", "ended"]


@needs_ffmpeg
def test_live_hls_comes_in_bursts_and_is_not_dropped_for_it(
    serve: Make, live: Make, make_video: Make, pan: Make, tmp_path: Path
) -> None:
    """Segments of a second; the model takes far less, but not all of a segment at once."""
    path = make_video(tmp_path / "a.mp4", pan(0, 100, 48), options={"g": "10", "bf": "0"})
    playlist = tmp_path / "live.m3u8"
    command = f"{FFMPEG} -v error -re -stream_loop 3 -i {path} -c copy -f hls -hls_time 1"
    with subprocess.Popen([*command.split(), "-hls_flags", "delete_segments", str(playlist)]) as it:
        while not playlist.exists():
            time.sleep(0.1)
        time.sleep(2.5)
        run = live(f"{serve(partial(Quiet, directory=str(tmp_path)))}/live.m3u8", health_every=1.0)
        run.wait_for(70, "query", timeout=25)
        run.stop()
        it.kill()
    assert run.states() == ["connected", "ended"]
    assert run.of("health")[-1]["dropped"] == {"overload": 0, "damaged": 0}
    lines = run.of("query")
    heard = [run.heard_at(lines[0]), run.heard_at(lines[60])]
    assert heard[1] - heard[0] == pytest.approx(6.0, abs=1.0)


@pytest.fixture
def camera(make_flight: Make, pan: Make) -> type[BaseHTTPRequestHandler]:
    """An MJPEG camera of 20 pictures a second that hangs up after 40, and wants a password."""
    pictures = [
        cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        for image in pan(0, 40, 48)
    ]

    class Camera(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != "Basic bWU6c2VjcmV0":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            type(self).asked += 1
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for picture in pictures:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
                try:
                    self.wfile.write(head.encode() + b"\r\n\r\n" + picture + b"\r\n")
                except OSError:
                    return
                time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            pass

    return Camera


class TestMotionJpeg:
    def test_its_times_are_those_of_arrival_and_its_end_is_an_outage(
        self, serve: Make, live: Make, camera: Any
    ) -> None:
        """FFmpeg would count 25 pictures a second, whatever the camera sends."""
        address = serve(camera).replace("://", "://me:secret@")
        run = live(f"{address}/video.mjpg")
        run.wait_for(1, "stream", state="reconnected")
        run.stop()
        assert run.states()[:3] == ["connected", "lost", "reconnected"]
        times = [line["query_time"] for line in run.of("query")][:35]
        assert times[30] - times[0] == pytest.approx(30 * 0.05, rel=0.15)
        assert "secret" not in str(run.said)

    def test_a_wrong_password_ends_it_at_once(
        self, serve: Make, process: Make, camera: Any
    ) -> None:
        address = serve(camera).replace("://", "://me:wrong@")
        run = process(f"{address}/video.mjpg")
        run.join()
        assert run.code == 4
        assert "401" in run.err
        assert "wrong" not in run.err


@needs_ffmpeg
def test_a_transport_stream_over_udp(live: Make, flight: Any, free_port: int) -> None:
    run = live(f"udp://127.0.0.1:{free_port}", read_timeout=1.0, connect_timeout=3.0)
    command = f"{FFMPEG} -v error -re -stream_loop 1 -i {flight.path} -c copy -f mpegts"
    address = f"udp://127.0.0.1:{free_port}?pkt_size=1316"
    with subprocess.Popen([*command.split(), address]) as sender:
        run.wait_for(40, "query")
        sender.kill()
    lost = run.wait_for(1, "stream", state="lost")
    assert "nothing came for 1 s" in lost["cause"]
    with subprocess.Popen([*command.split(), address]) as sender:
        run.wait_for(1, "stream", state="reconnected")
        run.wait_for(60, "query")
        sender.kill()
    run.stop()
    times = [line["query_time"] for line in run.of("query")]
    assert times == sorted(set(times))
