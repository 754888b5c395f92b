#!/usr/bin/env python3
"""Whether a frame late in a long run costs what an early one did, in time and in memory.

    python tools/endurance.py
    python tools/endurance.py --frames 20000 --capacity 2000 --window 1000 --json

`streamvpr run`, with geometry and every frame, reads a flight without an end (tools/long_flight.py)
from its standard input, which this program draws and encodes as it goes: nothing is kept of it. For
each window of so many records it prints processor time a frame (user and system, all threads) and
the memory that the process has, the median of many looks. The last window is held against the first
that began with `--capacity` places kept: from there on, each place drives out another. The exit
status is 1 where it is more than `--cost-bound` or `--memory-bound` above that.

Whatever else the machine does makes all programs slower by turns. So there is a yardstick: drawing
and encoding a frame, which is the same work all along, done and measured in the same windows. Costs
are compared in that measure.

The model is made for this and does next to nothing (`--model` names another): it would hide what is
looked for. It needs Linux, streamvpr with ONNX Runtime, and onnx.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import cv2
import msgspec
from courses import STREAMVPR
from long_flight import fly
from pooling_model import write_model

from streamvpr.machine import Machine, this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
MIB_A_PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20
# In /proc/PID/stat, counted from behind the program's name, which may have spaces in it.
UTIME, STIME = 11, 12
# Looks at memory in a window.
LOOKS = 50
COLUMNS = ("frames", "places", "still", "accepted", "CPU ms", "yardstick", "MiB")


class Answer(msgspec.Struct, frozen=True):
    """As much of a `query` record as tells what became of the frame."""

    decision: str


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """So many frames, one after the other."""

    frames: int
    """Processed at its end, from the beginning of the run."""
    places: int
    """Kept at its beginning."""
    still: int
    accepted: int
    cpu_ms: float
    """Of processor time a frame."""
    yardstick_ms: float
    """Of processor time for drawing and encoding one, in the same window."""
    mib: float
    """Resident."""


class Endurance(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    date: str
    machine: Machine
    capacity: int
    windows: list[Window]
    early: Window
    """The first that began with a full ring."""
    late: Window
    cost: float
    """Of the late window to the early one: of a frame's processor time to the yardstick's."""
    cpu: float
    """The same of processor time as it was."""
    memory: float


def main(arguments: list[str] | None = None) -> int:
    """Run, print; 1 where cost or memory grew, or with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        found = compare(list(measure(options)), options.capacity)
    except (OSError, msgspec.MsgspecError, RuntimeError) as error:
        print(f"endurance: {error}", file=sys.stderr)
        return 1
    print(msgspec.json.encode(found).decode() if options.json else render(found))
    return int(found.cost > 1 + options.cost_bound or found.memory > 1 + options.memory_bound)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000, metavar="N")
    parser.add_argument("--capacity", type=int, default=10_000, metavar="PLACES")
    parser.add_argument("--window", type=int, default=2_000, metavar="FRAMES")
    parser.add_argument("--cost-bound", type=float, default=0.05, metavar="SHARE")
    parser.add_argument("--memory-bound", type=float, default=0.02, metavar="SHARE")
    parser.add_argument("--model", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> Iterator[Window]:
    """Run, and tell of each window when it is over. Raises OSError, MsgspecError, RuntimeError."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as err:
        model = options.model or write_model(Path(folder))
        told = ("--model", str(model), "--capacity", str(options.capacity))
        with subprocess.Popen(
            [*STREAMVPR, "run", "-", *told, *ALWAYS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            feeder = Feeder(process.stdin, options.frames, options.capacity)
            feeder.start()
            try:
                yield from windows(process.stdout, process.pid, feeder, options)
            except BaseException:
                process.kill()
                raise
            finally:
                feeder.join()
        if process.returncode != 0:
            err.seek(0)
            raise RuntimeError(f"streamvpr run failed: {err.read().decode(errors='replace')}")


ALWAYS = ("--fps", "0", "--records", "queries", "--threads", "1", "--log-level", "error")


def windows(
    records: IO[bytes], pid: int, feeder: Feeder, options: argparse.Namespace
) -> Iterator[Window]:
    """Read the records of a process to their end. Raises OSError, MsgspecError."""
    places = 0
    began = Account.of(pid, feeder)
    for last in range(options.window, options.frames + 1, options.window):
        decisions, looks = [], []
        for line in islice(records, options.window):
            decisions.append(msgspec.json.decode(line, type=Answer).decision)
            if len(decisions) % max(1, options.window // LOOKS) == 0:
                looks.append(resident_mib(pid))
        if len(decisions) < options.window:
            return
        ended, still = Account.of(pid, feeder), decisions.count("stationary")
        window = Window(
            frames=last,
            places=min(places, options.capacity),
            still=still,
            accepted=decisions.count("accepted"),
            cpu_ms=1000 * (ended.cpu_seconds - began.cpu_seconds) / options.window,
            yardstick_ms=1000 * ended.drawing_since(began),
            mib=statistics.median(looks),
        )
        print(row(window), file=sys.stderr, flush=True)
        yield window
        began, places = ended, places + options.window - still


class Feeder(threading.Thread):
    """Draws a flight and writes it, as MJPEG, to where a program reads it."""

    def __init__(self, into: IO[bytes], frames: int, reach: int) -> None:
        super().__init__(name="feeder")
        self._into = into
        self._frames = frames
        self._reach = reach
        self.drawn = Drawn(0, 0.0)

    def run(self) -> None:
        """Write all frames, or as many as are read."""
        try:
            with self._into:
                for number, picture in enumerate(islice(fly(self._reach), self._frames), 1):
                    _, encoded = cv2.imencode(".jpg", picture)
                    self.drawn = Drawn(number, time.thread_time())
                    self._into.write(encoded.tobytes())
        except BrokenPipeError:
            # The reader ended, and says why.
            return


@dataclass(frozen=True, slots=True)
class Drawn:
    """Frames, and the processor time that they took."""

    frames: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Account:
    """What a process, and what feeds it, have used up to now."""

    cpu_seconds: float
    drawn: Drawn

    @classmethod
    def of(cls, pid: int, feeder: Feeder) -> Account:
        """As the system keeps it. Raises OSError."""
        return cls(cpu_seconds(pid), feeder.drawn)

    def drawing_since(self, before: Account) -> float:
        """Seconds for a frame."""
        frames = self.drawn.frames - before.drawn.frames
        return (self.drawn.seconds - before.drawn.seconds) / max(1, frames)


def cpu_seconds(pid: int) -> float:
    """User and system, of all threads of a process. Raises OSError."""
    _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    counted = fields.split()
    return (int(counted[UTIME]) + int(counted[STIME])) / TICKS_A_SECOND


def resident_mib(pid: int) -> float:
    """Raises OSError."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * MIB_A_PAGE


def compare(measured: list[Window], capacity: int) -> Endurance:
    """The last window to the first with a full ring. Raises RuntimeError where they are the same."""
    full = [window for window in measured if window.places == capacity]
    if len(full) < 2:
        raise RuntimeError("no two windows with a full ring; give more --frames")
    early, late = full[0], full[-1]
    cpu = late.cpu_ms / early.cpu_ms
    return Endurance(
        date=str(datetime.date.today()),
        machine=this_machine(),
        capacity=capacity,
        windows=measured,
        early=early,
        late=late,
        cost=cpu * early.yardstick_ms / late.yardstick_ms,
        cpu=cpu,
        memory=late.mib / early.mib,
    )


def render(found: Endurance) -> str:
    """For people."""
    rows = "\n".join(row(window) for window in found.windows)
    head = "  ".join(f"{name:>9}" for name in COLUMNS)
    return (
        f"Measured on {found.date}, {found.machine}.\n\n{head}\n{rows}\n\n"
        f"frames to {found.late.frames} against those to {found.early.frames}: cost "
        f"{found.cost:.3f} (CPU time {found.cpu:.3f}), memory {found.memory:.3f}"
    )


def row(window: Window) -> str:
    """A line of the table."""
    cells = (
        *(window.frames, window.places, window.still, window.accepted),
        *(f"{window.cpu_ms:.2f}", f"{window.yardstick_ms:.3f}", f"{window.mib:.1f}"),
    )
    return "  ".join(f"{cell:>9}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
