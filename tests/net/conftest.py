"""A real RTSP server whose pictures say which one they are, and peers that are none.

The server is GstRtspServer's, run by the system's Python in a process of its own: a test can stop
and kill it as the network and a camera's power do.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import cv2
import pytest

from .live import Live, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

HOST = "127.0.0.1"
SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_server.py")
STARTUP_SECONDS = 20
CELLS, CELL_HEIGHT = 24, 8
LAP = 60
PASSWORD = "s3cr3t%/p@ss word"

APT = (
    "gstreamer1.0-rtsp gir1.2-gst-rtsp-server-1.0 python3-gi gir1.2-gstreamer-1.0"
    " gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    " gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)
CHECK = """
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
names = ["appsrc", "x264enc", "x265enc", "rtph264pay", "rtph265pay", "rtpbin"]
sys.exit(" ".join(name for name in names if Gst.ElementFactory.find(name) is None) or 0)
"""


@dataclass
class Server:
    """One server process after the other, on one port, with the same options."""

    options: dict[str, Any]
    log: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None
    _said: list[dict[str, Any]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        scheme = "rtsps" if self.options.get("tls") else "rtsp"
        who = ""
        if self.options.get("user") is not None:
            name, password = (quote(self.options.get(o, ""), safe="") for o in ("user", "password"))
            who = f"{name}:{password}@"
        return f"{scheme}://{who}{HOST}:{self.port}{self.options.get('path', '/live')}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        self._said = []
        with self.log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [SYSTEM_PYTHON, "-I", str(SCRIPT), "--with-parent", *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process, self._said))
        self._reader.start()
        self.port = self._await(lambda: self._words("ready"), STARTUP_SECONDS, "be ready")[0]

    def kill(self) -> None:
        """At once, as a power cut would; clients see their connections reset or closed."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def stop(self) -> None:
        """No more pictures; the kernel keeps the connections open."""
        self._running().send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def plays(self) -> int:
        """How many clients have started to play since this process started."""
        return len(self._words("client"))

    def wait_for_plays(self, count: int, timeout: float = 10) -> None:
        self._await(lambda: self.plays() >= count, timeout, f"see {count} clients play")

    def sent(self, timeout: float = 10) -> int:
        """Frames pushed for the media that ended last, once those of all PLAYs have ended."""

        def ended() -> list[int]:
            sent: list[int] = self._words("sent")
            return sent if len(sent) >= self.plays() else []

        return self._await(ended, timeout, "end a media")[-1]

    def _arguments(self) -> Iterator[str]:
        for name, value in {**self.options, "port": self.port or self.options.get("port")}.items():
            if value is None or value is False:
                continue
            yield f"--{name.replace('_', '-')}"
            if name == "resize_to" and not isinstance(value, str):
                value = "x".join(map(str, value))
            if value is not True:
                yield from map(str, value if isinstance(value, (tuple, list)) else [value])

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the RTSP server was killed"
        return self._process

    def _read(self, process: subprocess.Popen[str], said: list[dict[str, Any]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                said.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _words(self, key: str) -> list[Any]:
        return [line[key] for line in list(self._said) if key in line]

    def _await(self, ready: Callable[[], Any], timeout: float, what: str) -> Any:
        """Its value once it is true; fails with what the server said when that never comes."""
        reader = self._reader
        assert reader is not None
        deadline = time.monotonic() + timeout
        with self._news:
            while not (value := ready()) and reader.is_alive() and time.monotonic() < deadline:
                self._news.wait(0.1)
        if value := ready():
            return value
        how = f"in {timeout} s" if reader.is_alive() else "before it ended"
        log = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return pytest.fail(f"the RTSP server did not {what} {how}; said {self._said}\n{log}")


@pytest.fixture(scope="session")
def gst_rtsp_server() -> None:
    """Skips where the system's Python has no GstRtspServer, or lacks an encoder."""
    try:
        subprocess.run(
            [SYSTEM_PYTHON, "-I", "-c", CHECK],
            check=True,
            capture_output=True,
            text=True,
            timeout=STARTUP_SECONDS,
        )
    except FileNotFoundError:
        reason = "there is none"
    except subprocess.TimeoutExpired:
        reason = f"no answer in {STARTUP_SECONDS} s"
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or [f"exit status {error.returncode}"])[-1]
    else:
        return
    pytest.skip(f"no GstRtspServer for {SYSTEM_PYTHON} ({reason}): apt-get install {APT}")


@pytest.fixture
def rtsp_server(gst_rtsp_server: None, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`start(**options) -> Server`; the options are those of rtsp_server.py, with underscores."""
    servers: list[Server] = []

    def start(**options: Any) -> Server:
        server = Server(options, tmp_path / f"rtsp-server-{len(servers)}.log")
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def silent_peer() -> Iterator[int]:
    """A port that accepts TCP connections, and says nothing on them."""
    accepted: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # a close alone would not wake the thread
        thread.join()
    for connection in accepted:
        connection.close()


@pytest.fixture
def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed one for 127.0.0.1 and its key: for `tls=`, and the first as a CA file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN={HOST} -addext subjectAltName=IP:{HOST} -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return certificate, key


def _picture_index(gray: Image) -> int:
    """Which picture it is, by the cells along the top of its luma."""
    cell = gray.shape[1] // CELLS
    rows = gray[2 : CELL_HEIGHT - 2, : cell * CELLS].reshape(-1, CELLS, cell)
    white = rows[:, :, cell // 3 : cell - cell // 3].mean(axis=(0, 2)) > 127
    return sum(1 << bit for bit in range(CELLS) if white[bit])


@pytest.fixture(scope="session")
def picture_index() -> Callable[[Image], int]:
    return _picture_index


@dataclass(frozen=True)
class SceneFrames:
    """Raw I420 pictures for `frames=`: index i shows the place of index i % lap."""

    path: Path
    lap: int

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)


@pytest.fixture(scope="session")
def scene_frames(
    pan: Callable[..., Iterator[Image]], tmp_path_factory: pytest.TempPathFactory
) -> SceneFrames:
    """A camera that pans round a scene and comes back, for ever: 160x120, a lap of 60 pictures."""
    path = tmp_path_factory.mktemp("scene") / "scene.i420"
    with path.open("wb") as file:
        for image in pan(0, LAP, LAP):
            file.write(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())
    return SceneFrames(path, LAP)


@pytest.fixture
def live(tiny_model: Path) -> Iterator[Callable[..., Live]]:
    """`start(*sources, **options) -> Live`: a run that has begun, with the tiny model."""
    begun: list[Live] = []

    def start(*sources: object, **options: Any) -> Live:
        run = Live()
        run.start(*sources, **{"model": str(tiny_model), **options})
        begun.append(run)
        return run

    yield start
    for run in begun:
        run.stop()


@pytest.fixture
def process(tiny_model: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`start(*arguments, **options) -> Process`: the program, begun, with the tiny model."""
    begun: list[Process] = []

    def start(*arguments: object, **options: Any) -> Process:
        run = Process(tmp_path / f"run-{len(begun)}.log")
        run.start(*arguments, "--model", tiny_model, "--threads", 1, **options)
        begun.append(run)
        return run

    yield start
    for run in begun:
        run.kill()
