"""The first Ctrl-C, and SIGTERM, while a program still waits for what is to be read."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

SOON = 1.5
PIPES = [
    (["run", "-"], signal.SIGTERM),
    (["match", "{flight}", "-"], signal.SIGINT),
    (["calibrate", "-"], signal.SIGINT),
    (["bench", "-"], signal.SIGTERM),
]


@pytest.fixture
def started(command: list[str], tiny_model: Path, flight: Any) -> Iterator[Make]:
    """`start(*arguments)`: a program with the tiny model, whose standard input stays silent."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        line = [argument.format(flight=flight.path) for argument in arguments]
        process = subprocess.Popen(
            [*command, *line, "--model", str(tiny_model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        with process:
            process.kill()


@pytest.fixture
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A port that accepts TCP connections and says nothing, and whether anybody has come."""
    accepted: list[socket.socket] = []
    came = threading.Event()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])
                came.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted:
        connection.close()


def stop(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[bytes, bytes]:
    """What it said in all; fails where it goes on for long."""
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=10)
    took = time.monotonic() - began
    assert took < SOON, err
    assert b"Traceback" not in err
    return out, err


@pytest.mark.parametrize(("arguments", "number"), PIPES, ids=[line[0] for line, _ in PIPES])
def test_a_pipe_on_which_nothing_comes(
    started: Make, arguments: list[str], number: signal.Signals
) -> None:
    process = started(*arguments)
    assert process.stdin is not None
    # More than a pipe holds, and no video yet: once it is written, the program is reading.
    process.stdin.write(bytes(1 << 20))
    process.stdin.flush()
    out, err = stop(process, number)
    assert (process.returncode, out) == (0, b""), err
    assert number.name.encode() in err


@pytest.mark.parametrize(("scheme", "number"), [("rtsp", signal.SIGINT), ("http", signal.SIGTERM)])
def test_a_camera_that_says_nothing(
    started: Make,
    silent_server: tuple[int, threading.Event],
    tmp_path: Path,
    scheme: str,
    number: signal.Signals,
) -> None:
    port, came = silent_server
    url = f"{scheme}://127.0.0.1:{port}/live"
    process = started("run", url, "--connect-timeout", "30", "--jsonl", str(tmp_path / "a.jsonl"))
    assert came.wait(20)
    out, err = stop(process, number)
    assert (process.returncode, out) == (0, b""), err


def test_a_second_interrupt_is_130(
    started: Make, silent_server: tuple[int, threading.Event]
) -> None:
    port, came = silent_server
    process = started("run", f"rtsp://127.0.0.1:{port}/live", "--connect-timeout", "30")
    assert came.wait(20)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    stop(process, signal.SIGINT)
    assert process.returncode == 130
