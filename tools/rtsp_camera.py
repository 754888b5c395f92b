"""RTSP servers as processes that can be stopped and killed, as the network and a camera's power do.

GstRtspServer runs in the system's Python (rtsp_server.py), since GStreamer's bindings are no PyPI
packages.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_server.py")
STARTUP_SECONDS = 20

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


def missing() -> str | None:
    """Why there can be no server here, and what brings it; None where there can."""
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
        return None
    return f"no GstRtspServer for {SYSTEM_PYTHON} ({reason}): apt-get install {APT}"


class ServerFailed(Exception):
    """A server did not do what was waited for; `str()` has what it said."""


@dataclass
class RtspServer:
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
        """Where it is, with user and password."""
        scheme = "rtsps" if self.options.get("tls") else "rtsp"
        who = ""
        if self.options.get("user") is not None:
            name, password = (quote(self.options.get(o, ""), safe="") for o in ("user", "password"))
            who = f"{name}:{password}@"
        return f"{scheme}://{who}{HOST}:{self.port}{self.options.get('path', '/live')}"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._running().pid

    def start(self) -> None:
        """Begin, and wait until it listens. Raises ServerFailed."""
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
        """Go on, without the pictures of the meantime."""
        self._running().send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it, and begin anew. Raises ServerFailed."""
        self.kill()
        self.start()

    def plays(self) -> int:
        """How many clients have started to play since this process started."""
        return len(self._words("client"))

    def wait_for_plays(self, count: int, timeout: float = 10) -> None:
        """Wait until so many clients have started to play. Raises ServerFailed."""
        self._await(lambda: self.plays() >= count, timeout, f"see {count} clients play")

    def sent(self, timeout: float = 10) -> int:
        """Frames pushed for the media that ended last, once those of all PLAYs have ended."""

        def ended() -> list[int]:
            sent: list[int] = self._words("sent")
            return sent if len(sent) >= self.plays() else []

        last: int = self._await(ended, timeout, "end a media")[-1]
        return last

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
        """Its value once it is true. Raises ServerFailed when that never comes."""
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
        raise ServerFailed(f"the RTSP server did not {what} {how}; said {self._said}\n{log}")
