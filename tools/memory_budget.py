#!/usr/bin/env python3
"""Whether a run keeps to so much memory, with its ring full and all that takes memory on.

    python tools/memory_budget.py --budget 1000 --capacity 5000 --serve --streams 2
    python tools/memory_budget.py flight.mp4 -- --local-features xfeat

The program reads an H.264 film of 1920x1080, every frame, with the bundled model, geometry and an
output folder, until its ring was full for a while. Without a file the film is made first: a flight
over made-up ground (tools/long_flight.py), so rich in corners that each place keeps as many
features as may be. With `--serve` somebody looks at the live page, too. What stands behind `--`
goes to `run`.

Where this process may make a control group (as root, mostly), the program gets one with so much
memory and no swap: it would be ended for taking more. Elsewhere its memory is only read.
`peak_resident_bytes` is the high-water mark of what the process had in memory (VmHWM of proc(5)),
and that must keep to the budget, too; `peak_anonymous_bytes` of it is what cannot be read from a
file again; `peak_group_bytes` is all that the group had, with files which the system keeps in
memory as long as nobody wants it.

One JSON object goes to standard output. Exit code 1 where the budget does not hold, where the run
fails, and where the ring did not fill. Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import http.client
import math
import re
import subprocess
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from courses import STREAMVPR
from long_flight import HEIGHT, STANDING, STRETCH, WIDTH, fly
from memory_group import MemoryGroup, make_group

from streamvpr.machine import Machine, this_machine
from streamvpr.media import encode_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Image

MEGABYTE = 1_000_000
SIZE = (1920, 1080)
FPS = 10
# Pixels of the film for one of the small flights'.
BLOCK = 3
# What comes after the ring is full, as a share of it.
MORE = 0.1
SAMPLE_SECONDS = 0.05
LOOK_SECONDS = 1.0
PAGE = re.compile(r"the live page: http://127\.0\.0\.1:(\d+)/")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed."""

    holds: bool
    budget_bytes: int
    limited_by: str | None
    """`cgroup v1`, `cgroup v2`; None where memory was only read."""
    exit_code: int
    ended_for_memory: bool
    peak_resident_bytes: int
    peak_anonymous_bytes: int
    peak_group_bytes: int | None
    streams: int
    capacity: int
    places: int
    """Of all streams, at the end."""
    places_bytes: int
    frames: int
    closures: int
    options: list[str]
    """What `run` was told."""
    said: str
    """The last line on standard error."""
    date: str
    machine: Machine


class Health(msgspec.Struct, frozen=True, tag_field="type", tag="health"):
    """As much of a health record as is needed."""

    stream: str
    processed: int
    places: int
    places_bytes: int


class Closure(msgspec.Struct, frozen=True, tag_field="type", tag="loop_closure"):
    """A closure, which is counted."""


class Other(msgspec.Struct, frozen=True):
    """Any record."""

    type: str


def main(arguments: list[str] | None = None) -> int:
    """Make the film, run, print; 1 where the budget does not hold."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory() as folder:
        film = options.file
        if film is None:
            film = Path(folder) / "flight.mp4"
            encode_video(film, _film(options), fps=FPS)
        result = _measure(film, Path(folder), options)
    print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    return int(not result.holds)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument(
        "--budget", type=float, default=1000, metavar="MB", help="millions of bytes"
    )
    parser.add_argument("--capacity", type=int, default=5000)
    parser.add_argument("--streams", type=int, default=1, help="that read the film side by side")
    parser.add_argument("--serve", action="store_true", help="the live page, with a reader")
    parser.add_argument("--size", default="x".join(map(str, SIZE)), help="of a film that is made")
    given = sys.argv[1:] if arguments is None else arguments
    end = given.index("--") if "--" in given else len(given)
    parsed = parser.parse_args(given[:end])
    parsed.options = given[end + 1 :]
    return parsed


def _film(options: argparse.Namespace) -> Iterator[Image]:
    """Pictures until the ring has been full for a while: small flights beside and below each other,
    each pixel a block, which together have more corners than are kept."""
    width, height = (int(side) for side in options.size.split("x"))
    columns, rows = (
        max(1, math.ceil(side / BLOCK / tile)) for side, tile in ((width, WIDTH), (height, HEIGHT))
    )
    flights = [fly(options.capacity, flight) for flight in range(rows * columns)]
    frames = math.ceil(options.capacity * (1 + MORE) * (STRETCH + STANDING) / STRETCH)
    for pictures in islice(zip(*flights, strict=True), frames):
        tiles = np.stack(pictures).reshape(rows, columns, HEIGHT, WIDTH, 3)
        small = tiles.swapaxes(1, 2).reshape(rows * HEIGHT, columns * WIDTH, 3)
        large = small.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
        yield np.ascontiguousarray(large[:height, :width])


def _measure(film: Path, folder: Path, options: argparse.Namespace) -> Result:
    budget = round(options.budget * MEGABYTE)
    given = _options(folder, options)
    sources = [f"cam{number}={film}" for number in range(options.streams)]
    command = [*STREAMVPR, "run", *sources, *given]
    group = make_group(budget)
    try:
        run = Run(command if group is None else group.command(command))
        run.wait()
        killed = group is not None and group.killed > 0
        return _judge(run, budget, group, killed, given, options)
    finally:
        if group is not None:
            group.close()


def _options(folder: Path, options: argparse.Namespace) -> list[str]:
    output = folder / "results"
    given = [
        "--fps",
        "0",
        "--capacity",
        str(options.capacity),
        "--records",
        "all",
        "--health-every",
        "5",
    ]
    given += ["--output-dir", str(output)]
    if options.serve:
        given += ["--serve", "127.0.0.1:0"]
    return [*given, *options.options]


def _judge(
    run: Run,
    budget: int,
    group: MemoryGroup | None,
    killed: bool,
    given: list[str],
    options: argparse.Namespace,
) -> Result:
    healths = run.healths.values()
    full = len(healths) == options.streams and all(h.places >= options.capacity for h in healths)
    return Result(
        holds=run.code == 0 and full and run.resident <= budget,
        budget_bytes=budget,
        limited_by=None if group is None else f"cgroup v{group.version}",
        exit_code=run.code,
        ended_for_memory=killed,
        peak_resident_bytes=run.resident,
        peak_anonymous_bytes=run.anonymous,
        peak_group_bytes=None if group is None else group.peak,
        streams=options.streams,
        capacity=options.capacity,
        places=sum(health.places for health in healths),
        places_bytes=sum(health.places_bytes for health in healths),
        frames=sum(health.processed for health in healths),
        closures=run.closures,
        options=given,
        said=run.said,
        date=str(datetime.date.today()),
        machine=this_machine(),
    )


class Run:
    """The program, read and watched until it ends."""

    def __init__(self, command: list[str]) -> None:
        """Start it."""
        self.healths: dict[str, Health] = {}
        """The newest of each stream."""
        self.closures = 0
        self.resident = 0
        self.anonymous = 0
        self.said = ""
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._threads = [threading.Thread(target=t) for t in (self._read, self._listen)]
        for thread in self._threads:
            thread.start()

    @property
    def code(self) -> int:
        """Its exit code; -9 where the system ended it."""
        return self._process.returncode

    def wait(self) -> None:
        """Watch its memory until it ends."""
        status = Path(f"/proc/{self._process.pid}/status")
        while self._process.poll() is None:
            self._sample(status)
            time.sleep(SAMPLE_SECONDS)
        for thread in self._threads:
            thread.join()

    def _sample(self, status: Path) -> None:
        """VmHWM is a high-water mark itself, RssAnon is not."""
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        # Of a process that has ended, and is not waited for yet, there is neither.
        if "VmHWM" in lines:
            self.resident = max(self.resident, int(lines["VmHWM"].split()[0]) * 1024)
            self.anonymous = max(self.anonymous, int(lines["RssAnon"].split()[0]) * 1024)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as records:
            for line in records:
                kind = msgspec.json.decode(line, type=Other).type
                self.closures += kind == "loop_closure"
                if kind == "health":
                    health = msgspec.json.decode(line, type=Health)
                    self.healths[health.stream] = health

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.said = line.decode(errors="replace").strip() or self.said
                page = PAGE.search(self.said)
                if page is not None:
                    for look in (_follow_events, _fetch_pictures):
                        threading.Thread(target=look, args=(int(page[1]),), daemon=True).start()


def _follow_events(port: int) -> None:
    """All records, as they come."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        events = http.client.HTTPConnection("127.0.0.1", port)
        events.request("GET", "/events")
        answer = events.getresponse()
        while answer.readline():
            pass


def _fetch_pictures(port: int) -> None:
    """Each second the pictures of the first stream."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            page = http.client.HTTPConnection("127.0.0.1", port)
            for picture in ("frame.jpg", "matrix.png"):
                page.request("GET", f"/api/streams/0/{picture}")
                page.getresponse().read()
            page.close()
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
