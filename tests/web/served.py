"""Runs with a page, in a process of their own, fed by a camera that the test holds."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

PATIENCE_SECONDS = 20.0
ADDRESS = re.compile(r"the live page: (http://(?P<host>[^:/]+):(?P<port>\d+)/\S*)")
NO_WEB = "needs starlette, uvicorn and prometheus-client: pip install 'streamvpr[web]'"


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """`streamvpr run ... --serve`; what it prints is read all the time."""

    arguments: list[str]
    environment: dict[str, str]
    log: Path
    out: list[bytes] = field(default_factory=list)
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> Served:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamvpr", "run", *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.out.extend(self.process.stdout)

    @property
    def err(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def url(self) -> str:
        """What was printed, as soon as it was."""
        found = until(lambda: ADDRESS.search(self.err), "print the address", self)
        return str(found[1])

    @property
    def port(self) -> int:
        found = until(lambda: ADDRESS.search(self.err), "print the address", self)
        return int(found["port"])

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        """Ask for a path; until somebody answers."""
        return until(lambda: self._get(path, headers or {}), f"answer {path}", self)

    def _get(self, path: str, headers: dict[str, str]) -> Answer | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Answer(
                answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
            )
        except (ConnectionError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def wait_for(self, path: str, wanted: Any, what: str) -> Any:
        """What a path answers as soon as `wanted` holds of it."""

        def look() -> Any:
            found = self.get(path).json
            return found if wanted(found) else None

        return until(look, what, self)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """The exit code, once it has ended and all that it printed was read."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()


class Camera:
    """Feeds pictures to a run's standard input, so many a second, as long as it wants them."""

    def __init__(self, run: Served, images: Iterable[Image], *, fps: float) -> None:
        self._run = run
        self._images = images
        self._pause = 1 / fps
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more pictures; the end of the stream."""
        self._stopped.set()
        self._thread.join()

    def _feed(self) -> None:
        pipe = self._run.process.stdin
        assert pipe is not None
        first = True
        with contextlib.suppress(OSError, ValueError):
            for image in self._images:
                if first:
                    height, width = image.shape[:2]
                    pipe.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
                    first = False
                planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
                pipe.write(b"FRAME\n" + planes.tobytes())
                pipe.flush()
                if self._stopped.wait(self._pause):
                    break
            pipe.close()


def until(look: Any, what: str, run: Served) -> Any:
    """What `look` gives, as soon as that is something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        if run.process.poll() is not None and "keep-serving" not in " ".join(run.arguments):
            found = look()
            if found:
                return found
            raise AssertionError(f"it ended before it could {what}: {run.err[-1000:]}")
        time.sleep(0.02)
    raise AssertionError(f"it did not {what} in {PATIENCE_SECONDS:.0f} s: {run.err[-1000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def plain_environment() -> dict[str, str]:
    """Without settings of the user's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STREAMVPR_")}
