"""A real RTSP server whose pictures say which one they are, and peers that are none.

The server is GstRtspServer's, run by the system's Python in a process of its own: a test can stop
and kill it as the network and a camera's power do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from .live import Live, Process

# The tools are scripts and no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from rtsp_camera import HOST, RtspServer, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

CELLS, CELL_HEIGHT = 24, 8
LAP = 60
PASSWORD = "s3cr3t%/p@ss word"


@pytest.fixture(scope="session")
def gst_rtsp_server() -> None:
    """Skips where the system's Python has no GstRtspServer, or lacks an encoder."""
    if (reason := missing()) is not None:
        pytest.skip(reason)


@pytest.fixture
def rtsp_server(gst_rtsp_server: None, tmp_path: Path) -> Iterator[Callable[..., RtspServer]]:
    """`start(**options) -> RtspServer`; its options are those of rtsp_server.py."""
    servers: list[RtspServer] = []

    def start(**options: Any) -> RtspServer:
        server = RtspServer(options, tmp_path / f"rtsp-server-{len(servers)}.log")
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
