"""The program on live sources, as a user and as systemd starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.errors import SourceOpenError
from streamvpr.sources.container import VideoContainer
from streamvpr.sources.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

# What shells, URLs and terminals make something of, and what is left when each has.
PASSWORD = "Wr0ng%40@/:?#h0rse"
TELLING = ("Wr0ng", "h0rse")


def tells(text: str) -> bool:
    return any(part in text for part in TELLING)


class TestWhatWaitingCannotMend:
    def test_a_path_that_is_not_there(self, rtsp_server: Make, process: Make) -> None:
        server = rtsp_server()
        began = time.monotonic()
        run = process(server.url.replace("/live", "/nowhere"))
        run.join()
        assert run.code == 4
        assert time.monotonic() - began < 8
        assert run.err.splitlines()[-1].startswith("streamvpr: error: cannot open rtsp://")
        assert "404" in run.err
        assert run.states() == ["lost", "ended"]

    @pytest.mark.parametrize("auth", ["basic", "digest"])
    def test_a_wrong_password(self, rtsp_server: Make, process: Make, auth: str) -> None:
        server = rtsp_server(user="me", password="right", auth=auth)
        run = process(f"rtsp://me:{PASSWORD}@127.0.0.1:{server.port}/live", "--log-level", "debug")
        run.join()
        assert run.code == 4
        assert "401" in run.err
        assert not tells(run.err + json.dumps(run.said))

    def test_a_kind_of_address_that_nobody_knows(self, process: Make) -> None:
        run = process("nosuch://127.0.0.1/film")
        run.join()
        assert run.code == 4
        assert "no source of video is of the kind nosuch://; those that are: " in run.err

    def test_a_camera_that_is_not_plugged_in(self, process: Make) -> None:
        run = process("/dev/video97")
        run.join()
        assert run.code == 4
        assert "/dev/video97: No such file" in run.err

    def test_a_name_that_is_none(self, process: Make) -> None:
        run = process("rtsp://me:secret@two..dots/live")
        run.join()
        assert run.code == 4
        assert "is no name of a host" in run.err

    def test_one_of_two_is_enough(self, rtsp_server: Make, process: Make) -> None:
        server = rtsp_server()
        wrong = server.url.replace("/live", "/nowhere")
        run = process(f"right={server.url}", f"wrong={wrong}")
        run.wait_for(5, "query", stream="right")
        run.wait_for(1, "stream", stream="wrong", state="ended")
        run.stop()
        assert run.code == 0
        assert "wrong is lost" in run.err


class TestHardware:
    def test_a_decoder_that_is_not_built_in_is_refused(self, process: Make, flight: Any) -> None:
        run = process(flight.path, "--hwaccel", "vdpau")
        run.join()
        assert run.code == 3
        assert "--hwaccel vdpau: the FFmpeg inside of PyAV" in run.err.splitlines()[-1]

    @pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="there is an NVIDIA device here")
    def test_a_device_that_is_not_here_is_refused(self, process: Make, flight: Any) -> None:
        run = process(flight.path, "--hwaccel", "cuda")
        run.join()
        assert run.code == 3
        assert "--hwaccel cuda" in run.err.splitlines()[-1]
        assert "Traceback" not in run.err


class TestMaps:
    def test_a_camera_is_known_again_after_the_power_was_cut(
        self, rtsp_server: Make, process: Make, scene_frames: Any, tmp_path: Path
    ) -> None:
        """The run is killed; the next one knows what that one saw, and when."""
        campus = tmp_path / "campus.vpr"
        url = rtsp_server(frames=scene_frames).url
        options = ["--fps", 0, "--map", campus, "--exclude-recent", 1000]
        began = time.time()
        run = process(url, *options, "--session", "monday")
        run.wait_for(70, "query")
        time.sleep(1.5)
        run.stop(signal.SIGKILL)
        run = process(url, *options)
        run.wait_for(15, "loop_closure")
        run.stop()
        assert run.code == 0
        closures = run.of("loop_closure")
        assert {closure["match_session"] for closure in closures} == {"monday"}
        for closure in closures:
            seen = datetime.fromisoformat(closure["match_wall_time"]).timestamp()
            assert began - 5 < seen < time.time()


class TestSignals:
    def test_a_live_run_drains_and_ends_with_0(self, rtsp_server: Make, process: Make) -> None:
        run = process(rtsp_server().url, "--fps", 0)
        run.wait_for(20, "query")
        began = time.monotonic()
        run.stop(signal.SIGINT)
        assert run.code == 0
        assert time.monotonic() - began < 3
        indices = [line["query_idx"] for line in run.of("query")]
        assert indices == list(range(len(indices)))
        assert run.of("health")[-1]["queued"] == 0
        assert run.states()[-1] == "ended"

    def test_an_outage_ends_at_once(self, process: Make, free_port: int) -> None:
        run = process(f"rtsp://127.0.0.1:{free_port}/x", "--reconnect-delay", 30)
        run.wait_for(1, "stream", state="lost")
        time.sleep(1)
        began = time.monotonic()
        run.stop()
        assert run.code == 0
        assert time.monotonic() - began < 2


class TestSecrets:
    """Every output of a run with a password in its address."""

    @pytest.fixture
    def seen(self, rtsp_server: Make, process: Make, scene_frames: Any, tmp_path: Path) -> Any:
        server = rtsp_server(
            user="me", password=PASSWORD, frames=scene_frames, epoch=time.time(), auth="digest"
        )
        folder = tmp_path / "results"
        run = process(
            *(f"cam={server.url}", "--fps", 0, "--top-k", 1, "--log-level", "debug"),
            *("--output-dir", folder, "--health-every", 0.5, "--read-timeout", 1),
        )
        run.wait_for(3, "loop_closure")
        title = Path(f"/proc/{run.pid}/cmdline").read_bytes().decode()
        server.kill()
        run.wait_for(1, "stream", state="lost")
        run.stop()
        assert run.code == 0
        return run, folder, title

    def test_none_of_them_tells_it(self, seen: Any) -> None:
        run, folder, title = seen
        assert "me:***@" in title
        assert not tells(title)
        assert not tells(run.err)
        assert not tells(json.dumps(run.said))
        assert "***" in json.dumps(run.said)
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"run.toml", "loop_closures.json"}
        for path in files:
            assert not tells(path.name)
            assert not tells(path.read_bytes().decode("latin-1"))

    def test_a_library_error_shows_it_nowhere(self) -> None:
        url = f"rtsp://me:{PASSWORD}@127.0.0.1:1/live"
        opening = Opening(url, "rtsp://me:***@127.0.0.1:1/live", connect_timeout=1.0)
        assert not tells(repr(opening))
        with pytest.raises(SourceOpenError) as raised:
            VideoContainer(opening)
        assert not tells("".join(traceback.format_exception(raised.value)))
        assert raised.value.__context__ is None

    def test_from_the_environment(self, rtsp_server: Make, process: Make) -> None:
        server = rtsp_server(user="me", password=PASSWORD)
        source = f"rtsp://${{CAM_USER}}:${{CAM_PASSWORD}}@127.0.0.1:{server.port}/live"
        login = {"CAM_USER": "me", "CAM_PASSWORD": PASSWORD}
        run = process(source, env={**os.environ, **login})
        run.wait_for(2, "query")
        run.stop()
        assert not tells(run.err + json.dumps(run.said))

    def test_from_a_file_that_the_settings_name(
        self, rtsp_server: Make, process: Make, tmp_path: Path
    ) -> None:
        server = rtsp_server(user="me", password="s3cret")
        logins = tmp_path / "logins"
        logins.write_text("machine 127.0.0.1 login me password s3cret\n")
        config = tmp_path / "cameras.toml"
        config.write_text(
            f'sources = ["door=rtsp://127.0.0.1:{server.port}/live"]\ncredentials = "{logins}"\n'
        )
        run = process("--config", config)
        run.wait_for(2, "query", stream="door")
        run.stop()
        assert run.code == 0
        assert "s3cret" not in run.err + json.dumps(run.said)

    def test_a_variable_that_is_not_set(self, process: Make) -> None:
        run = process("rtsp://me:${NOT_SET_ANYWHERE}@127.0.0.1/live")
        run.join()
        assert run.code == 2
        assert "NOT_SET_ANYWHERE" in run.err


class TestHealth:
    def test_the_counts_add_up(self, rtsp_server: Make, process: Make) -> None:
        run = process(rtsp_server().url, "--fps", 5, "--health-every", 0.5)
        run.wait_for(5, "health")
        run.stop()
        for line in run.of("health"):
            dropped = sum(line["dropped"].values())
            parts = line["processed"] + line["left_out"] + dropped + line["queued"]
            assert line["frames_in"] == parts
        last = run.of("health")[-1]
        assert last["places_bytes"] > 0
        assert last["resident_bytes"] > 10e6
        assert 0 < run.of("health")[1]["latency_p50_ms"] <= run.of("health")[1]["latency_p95_ms"]

    def test_files_have_none_unless_it_is_asked_for(self, process: Make, flight: Any) -> None:
        run = process(flight.path)
        run.join()
        assert run.of("health") == []
        assert all(line["wall_time"] is None for line in run.of("stream"))


class TestSystemd:
    @pytest.fixture
    def notified(self, tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
        """A path for NOTIFY_SOCKET, and what was sent there when the test is over."""
        path = str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
            inbox.bind(path)
            inbox.settimeout(0.1)
            yield path, _Inbox(inbox)  # type: ignore[misc]

    def test_ready_alive_and_stopping(self, process: Make, free_port: int, notified: Any) -> None:
        """Also where the camera is down: a service that waits for it has not failed."""
        path, inbox = notified
        environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "600000"}
        run = process(f"rtsp://127.0.0.1:{free_port}/x", env=environment)
        run.wait_for(1, "stream", state="lost")
        time.sleep(1)
        run.stop()
        said = inbox.read()
        assert said[0] == b"READY=1"
        assert said.count(b"WATCHDOG=1") >= 3
        assert said[-1] == b"STOPPING=1"

    def test_a_model_that_hangs_is_not_called_alive(
        self, flight: Any, tiny_model: Path, notified: Any
    ) -> None:
        path, inbox = notified
        code = (
            "import sys, time; from streamvpr import cli, Embedder\n"
            "from streamvpr.embedding import opening\n"
            "Embedder.embed = lambda *_: time.sleep(3) or sys.exit()\n"
            "opening.prove = lambda _: None\n"
            "sys.exit(cli.run_command(sys.argv[1:]))"
        )
        environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "600000"}
        with subprocess.Popen(
            [sys.executable, "-c", code, "run", str(flight.path), "--model", str(tiny_model)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            inbox.socket.settimeout(10)
            assert inbox.socket.recv(100) == b"READY=1"
            time.sleep(2.5)
            run.kill()
        inbox.socket.settimeout(0.1)
        assert inbox.read().count(b"WATCHDOG=1") <= 4


class _Inbox:
    def __init__(self, inbox: socket.socket) -> None:
        self.socket = inbox

    def read(self) -> list[bytes]:
        """All that has been sent by now."""
        said = []
        while True:
            try:
                said.append(self.socket.recv(100))
            except TimeoutError:
                return said
