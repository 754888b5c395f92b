#!/usr/bin/env python3
"""Whether the ten-thousandth frame and the hundred-thousandth cost the same, in time and in memory.

    python tools/endurance.py --frames 100000 --capacity 10000

A camera flies over made-up ground that is never the same but where it comes back to a place of
before, and now and then stands still (tools/long_flight.py). Its pictures go through a pipe into
`streamvpr run -`, geometry on, every frame, with a model that costs nothing: mean colours of
squares. Whenever another window of records has come, the processor time of the program and its
resident memory are read from /proc.

Near the end a second one is started and gets the same pictures, so that its ring has filled for the
first time when the last `--compared` windows begin. In those both do the same work at the same
time, the one as its ten-thousandth frames and the other as its hundred-thousandth: what else the
machine does slows both alike. Exit code 1 where the median of their ratios says that an old run
takes more than `--time` more, or that its memory is larger by more than `--memory`.

A Markdown table goes to standard output, a row a window. It needs streamvpr with ONNX Runtime, and
onnx. Linux.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING

import cv2
import msgspec
from courses import STREAMVPR, render_line
from long_flight import STANDING, STRETCH, fly
from onnx import TensorProto, helper, save

from streamvpr.machine import this_machine

if TYPE_CHECKING:
    from streamvpr.frames import Image

# Side of the model's input, and of its squares.
SIDE, SQUARE = 48, 4
DIMENSION = 3 * (SIDE // SQUARE) ** 2 + 1
# Pictures behind the last window, so that no program has ended when it is looked at. Less than one.
MORE = 20
CARD = f"""
name = "squares"
licence = "Apache-2.0"
source = "tools/endurance.py"
dimension = {DIMENSION}
[input]
width = {SIDE}
height = {SIDE}
[threshold]
value = 0.7
without_geometry = 0.9
"""


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


def main(arguments: list[str] | None = None) -> int:
    """Run, print; 1 where it fails or gets dearer."""
    options = parse(arguments)
    if options.frames < until_compared(options) + options.compared * options.window:
        print("endurance: more --frames, or nothing is older than another", file=sys.stderr)
        return 1
    print(f"Measured on {datetime.date.today()}, {this_machine()}.\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            old, young = run(Path(folder), options)
        except (OSError, RuntimeError) as error:
            print(f"endurance: {error}", file=sys.stderr)
            return 1
    print(render(old, young))
    return judge(pairs(old, young)[-options.compared :], options)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--capacity", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=2000, help="frames between two samples")
    parser.add_argument("--compared", type=int, default=5, metavar="WINDOWS")
    parser.add_argument("--time", type=float, default=0.05, help="share that may be added")
    parser.add_argument("--memory", type=float, default=0.02)
    return parser.parse_args(arguments)


def until_compared(options: argparse.Namespace) -> int:
    """Frames of a program, in windows, after which its ring is full."""
    frames: float = options.capacity * (STRETCH + STANDING) / STRETCH
    window: int = options.window
    return window * math.ceil(frames / window)


def run(folder: Path, options: argparse.Namespace) -> tuple[list[Window], list[Window]]:
    """The windows of the old program, and of the young. Raises OSError, and RuntimeError where one
    fails."""
    command = [*STREAMVPR, "run", "-", "--model", str(write_model(folder)), "--fps", "0"]
    command += ["--capacity", str(options.capacity), "--records", "queries", "--threads", "1"]
    young_from = options.frames - until_compared(options) - options.compared * options.window
    programs = [Program(command, options.window)]
    try:
        for number, picture in enumerate(islice(fly(options.capacity), options.frames + MORE)):
            if number == young_from:
                programs.append(Program(command, options.window, missed=number))
            for program in programs:
                program.show(picture)
        for program in programs:
            program.finish()
    finally:
        for program in programs:
            program.kill()
    old, young = programs
    return old.windows, young.windows


class Program:
    """`streamvpr run` on pictures that it is shown, and what it takes."""

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

    def show(self, picture: Image) -> None:
        """The next one, as a JPEG. Raises RuntimeError where the program has ended."""
        self.send(cv2.imencode(".jpg", picture)[1].tobytes())

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


def write_model(folder: Path) -> Path:
    """Mean colours of squares, less their mean, as a model, its card beside it."""
    path = folder / "squares.onnx"
    pool = {"kernel_shape": [SQUARE] * 2, "strides": [SQUARE] * 2}
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["squares"], **pool),
        helper.make_node("Flatten", ["squares"], ["flat"], axis=1),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["centred"]),
        # One that is always the same, or a blank picture would have no length.
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["always"]),
        helper.make_node("Concat", ["centred", "always"], ["all"], axis=1),
        helper.make_node("LpNormalization", ["all"], ["descriptors"], axis=1, p=2),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    found = helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["N", DIMENSION])
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    graph = helper.make_graph(nodes, "squares", [images], [found], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    return path


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


def render(old: list[Window], young: list[Window]) -> str:
    """A Markdown table."""
    beside = {window.frames: window for window in young}
    header = ["frames", "closures", "CPU ms a frame", "resident MB", "young: CPU ms", "MB"]
    lines = [render_line(header), render_line(["---:"] * len(header))]
    for window in old:
        shown = [*cells(window), *cells(beside.get(window.frames))]
        lines.append(render_line([f"{window.frames:,}", f"{window.closures:,}", *shown]))
    return "".join(lines)


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


if __name__ == "__main__":
    sys.exit(main())
