"""What a live page costs a run: with nobody there, and with browsers that never read.

    python tools/page_cost.py flight.mp4 --browsers 50 --turns 5 -- --fps 0

Each turn runs the same thing without a page, with one, and with one that so many connections ask
for events and pictures without reading a byte of the answers; in an order that turns, so that what
else the machine does falls on all. Prints medians, and what each turn's runs took of each other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streamvpr.web.server import THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator

# Few bytes fit in between, so that what is sent soon waits for a reader.
RECEIVE_BUFFER = 4096
ASKED = ("/events", "/events?kinds=vitals,query,loop_closure", "/api/streams/0", "/")
SUMMARY = re.compile(r"(\d+) frames, .* in ([\d.]+) s")
PATIENCE_SECONDS = 60.0
KINDS = ("without a page", "with a page", "with browsers that never read")


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took."""

    frames: int
    seconds: float
    """Wall time of the run itself, as its summary says."""
    cpu: float
    """Processor seconds of the whole process."""
    page: float
    """Those of the thread that serves the page."""


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _parse(arguments)
    turns: list[list[Took]] = []
    for number in range(options.turns):
        turn: dict[int, Took] = {}
        for step in range(len(KINDS)):
            kind = (number + step) % len(KINDS)
            turn[kind] = _run(options, kind)
        turns.append([turn[kind] for kind in range(len(KINDS))])
        print(f"turn {number + 1} of {options.turns}", file=sys.stderr)
    print(json.dumps(_figures(turns, options), indent=2))
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--turns", type=int, default=5)
    given = sys.argv[1:] if arguments is None else arguments
    end = given.index("--") if "--" in given else len(given)
    parsed = parser.parse_args(given[:end])
    parsed.options = given[end + 1 :]
    return parsed


def _figures(turns: list[list[Took]], options: argparse.Namespace) -> dict[str, object]:
    plain, page, browsers = range(len(KINDS))

    def ratio(of: int, to: int, what: str) -> list[float]:
        return [round(_each(turn[of], what) / _each(turn[to], what), 3) for turn in turns]

    found: dict[str, object] = {"browsers": options.browsers, "turns": len(turns)}
    for what in ("seconds", "cpu", "page"):
        kinds = {
            name: round(1e3 * statistics.median(_each(turn[kind], what) for turn in turns), 2)
            for kind, name in enumerate(KINDS)
        }
        if what == "page":
            found["page_thread_ms_a_frame"] = kinds
            continue
        served, unread = ratio(page, plain, what), ratio(browsers, page, what)
        found[f"{what}_ms_a_frame"] = kinds
        found[f"{what}_page_to_none"] = {"median": statistics.median(served), "turns": served}
        found[f"{what}_browsers_to_page"] = {"median": statistics.median(unread), "turns": unread}
    return found


def _each(took: Took, what: str) -> float:
    """Seconds of wall or processor time a frame."""
    return float(getattr(took, what)) / took.frames


def _run(options: argparse.Namespace, kind: int) -> Took:
    command = [sys.executable, "-m", "streamvpr", "run", *options.sources, *options.options]
    port = _free_port()
    if kind:
        command += ["--serve", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        meter = _PageMeter(process.pid)
        with contextlib.ExitStack() as stack, meter:
            if kind == len(KINDS) - 1:
                stack.enter_context(_browsers(port, options.browsers))
            assert process.stderr is not None
            said = process.stderr.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = SUMMARY.search(said)
    if process.returncode or found is None:
        raise SystemExit(f"{' '.join(command)}: {said}")
    return Took(int(found[1]), float(found[2]), usage.ru_utime + usage.ru_stime, meter.seconds)


class _PageMeter:
    """What the page's thread takes, looked up while the process lives: it is there no more then."""

    PAUSE_SECONDS = 0.1

    def __init__(self, pid: int) -> None:
        self.seconds = 0.0
        self._tasks = Path(f"/proc/{pid}/task")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.PAUSE_SECONDS):
            with contextlib.suppress(OSError):
                for task in self._tasks.iterdir():
                    self._look_at((task / "stat").read_text(encoding="ascii", errors="replace"))

    def _look_at(self, stat: str) -> None:
        name, _, rest = stat.partition("(")[2].rpartition(")")
        if name == THREAD:
            user, system = rest.split()[11:13]
            self.seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def _browsers(port: int, count: int) -> Iterator[None]:
    """So many connections that ask and never read, as soon as there is somebody to ask."""
    sockets: list[socket.socket] = []
    began = time.monotonic()
    try:
        while len(sockets) < count:
            browser = socket.socket()
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            try:
                browser.connect(("127.0.0.1", port))
            except OSError:
                browser.close()
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise
                time.sleep(0.05)
                continue
            path = ASKED[len(sockets) % len(ASKED)]
            browser.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            sockets.append(browser)
        yield
    finally:
        for browser in sockets:
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
