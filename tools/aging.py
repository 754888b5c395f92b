"""What an old program costs to a young one on the same pictures, at the same time.

A program is shown a flight from its beginning, and a second one the end of it, so that its ring has
filled for the first time when the last windows begin. In those both do the same work, the one as
its ten-thousandth frames and the other as its hundred-thousandth: what else the machine does slows
both alike. Linux.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING

import msgspec
from long_flight import STANDING, STRETCH

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

# Pictures that `compare` wants behind the last window, so that no program has ended when it is
# looked at. Fewer than a window has.
MORE = 20


class Counted(msgspec.Struct, frozen=True):
    """As much of a record as is counted."""

    decision: str


@dataclass(frozen=True, slots=True)
class Window:
    """So many frames of a program, one after the other."""

    frames: int
    """Of the flight that there had been at its end."""
    closures: int
    milliseconds: float
    """Of processor time a frame."""
    resident: int
    """Bytes at its end."""
    threads: int = 0
    descriptors: int = 0
    """At its end."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A window of the old program, and the same of the young one."""

    old: Window
    young: Window

    @property
    def time(self) -> float:
        """What the old one takes to the young one."""
        return self.old.milliseconds / self.young.milliseconds

    @property
    def memory(self) -> float:
        """The same of memory."""
        return self.old.resident / self.young.resident


def add_arguments(parser: argparse.ArgumentParser, *, capacity: int) -> None:
    """Those of a comparison; `capacity` is that of the ring where none is given."""
    parser.add_argument("--capacity", type=int, default=capacity)
    parser.add_argument("--window", type=int, default=2000, help="frames between two samples")
    parser.add_argument("--compared", type=int, default=5, metavar="WINDOWS")
    parser.add_argument("--time", type=float, default=0.05, help="share that may be added")
    parser.add_argument("--memory", type=float, default=0.02)


def until_compared(options: argparse.Namespace) -> int:
    """Frames of a program, in windows, after which its ring is full."""
    frames: float = options.capacity * (STRETCH + STANDING) / STRETCH
    window: int = options.window
    return window * math.ceil(frames / window)


def young_from(frames: int, options: argparse.Namespace) -> int:
    """The first picture of so many that the young program sees. Negative where they are too few."""
    window: int = options.window
    first: int = frames - until_compared(options) - options.compared * window
    # Its windows are to end where those of the old one do.
    return first - first % window


def compare(
    command: Callable[[str], list[str]],
    pictures: Iterable[bytes],
    frames: int,
    options: argparse.Namespace,
) -> tuple[list[Window], list[Window]]:
    """The windows of an old program, and of a young one.

    `command` is what starts the one that is "old" or "young"; `pictures` are `frames` and at
    least MORE, as they are sent. Raises OSError, and RuntimeError where one fails.
    """
    programs = [Program(command("old"), options.window)]
    try:
        for number, data in enumerate(pictures):
            if number == young_from(frames, options):
                programs.append(Program(command("young"), options.window, missed=number))
            for program in programs:
                program.send(data)
        for program in programs:
            program.finish()
    finally:
        for program in programs:
            program.kill()
    old, young = programs
    return old.windows, young.windows


class Program:
    """`streamvpr run` on what it is sent, and what it takes."""

    def __init__(self, command: list[str], window: int, *, missed: int = 0) -> None:
        """It has not seen the first `missed` pictures of the flight. Raises OSError."""
        self.windows: list[Window] = []
        self._window = window
        self._missed = missed
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  It lives as long as the program.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def send(self, data: bytes) -> None:
        """Write to its standard input. Raises RuntimeError where the program has ended."""
        try:
            self._input.write(data)
        except BrokenPipeError as error:
            self.finish()
            raise RuntimeError("streamvpr ended before the flight did") from error

    def finish(self) -> None:
        """Wait until it has decided on all. Raises RuntimeError where it failed."""
        self._end()
        code = self._process.returncode
        if code != 0:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(f"streamvpr ended with {code}: {said[-1] if said else 'not a word'}")

    def kill(self) -> None:
        """End it, whatever it does, and let go of what belongs to it."""
        self._process.kill()
        self._end()
        self._log.close()

    def _say(self, window: Window) -> None:
        age = "young" if self._missed else "old"
        cost, resident = cells(window)
        print(f"{age}, {window.frames:,}: {cost} ms, {resident} MB", file=sys.stderr, flush=True)

    def _end(self) -> None:
        with suppress(BrokenPipeError):
            self._input.close()
        self._reader.join()
        self._process.wait()

    def _read(self, records: IO[bytes]) -> None:
        frames = closures = 0
        spent, _ = usage(self._process.pid)
        with records:
            for line in records:
                frames += 1
                closures += msgspec.json.decode(line, type=Counted).decision == "accepted"
                if frames % self._window == 0:
                    seconds, resident = usage(self._process.pid)
                    cost = 1000 * (seconds - spent) / self._window
                    has = held(self._process.pid)
                    self.windows.append(
                        Window(self._missed + frames, closures, cost, resident, *has)
                    )
                    self._say(self.windows[-1])
                    spent, closures = seconds, 0


def usage(process: int) -> tuple[float, int]:
    """Seconds of processor time, user and system, and resident bytes."""
    folder = Path("/proc") / str(process)
    # The program's name, which may hold blanks, ends at the last bracket.
    numbers = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(numbers[11]) + int(numbers[12])
    pages = int((folder / "statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def held(process: int) -> tuple[int, int]:
    """Threads, and descriptors."""
    folder = Path("/proc") / str(process)
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))


def pairs(old: list[Window], young: list[Window]) -> list[Pair]:
    """The windows of one with those of the other over the same pictures."""
    beside = {window.frames: window for window in young}
    return [Pair(window, beside[window.frames]) for window in old if window.frames in beside]


def cells(window: Window | None) -> list[str]:
    """What it took; None where there was none."""
    if window is None:
        return ["-", "-"]
    return [f"{window.milliseconds:.2f}", f"{window.resident / 1e6:.1f}"]


def judge(compared: list[Pair], options: argparse.Namespace) -> int:
    """Say how the old program compares with the young one; 1 where it takes too much."""
    time = median(pair.time for pair in compared) - 1
    memory = median(pair.memory for pair in compared) - 1
    print(
        f"In the {len(compared)} windows to {compared[-1].old.frames:,}, a frame costs {time:+.1%} "
        f"of processor time, and memory is {memory:+.1%}."
    )
    return int(time > options.time or memory > options.memory)
