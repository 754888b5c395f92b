#!/usr/bin/env python3
"""Whether the ten-thousandth frame and the hundred-thousandth cost the same, in time and in memory.

    python tools/endurance.py --frames 100000 --capacity 10000

A camera flies over made-up ground that is never the same but where it comes back to a place of
before, and now and then stands still (tools/long_flight.py). Its pictures go through a pipe into
`streamvpr run -`, geometry on, every frame, with a model that costs nothing: mean colours of
squares. Whenever another window of records has come, the processor time of the program and its
resident memory are read from /proc.

A Markdown table goes to standard output, a row a window. Of those that come after the ring is full,
time is held against each other by medians of the first and of the last third, since other work on
the machine disturbs single ones, and memory by the first and the last: exit code 1 where a frame
takes more than `--time` more or less, or memory has grown by more than `--memory`.

It needs streamvpr with ONNX Runtime, and onnx. Linux.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING

import cv2
import msgspec
from courses import STREAMVPR, render_line
from long_flight import fly
from onnx import TensorProto, helper, save

from streamvpr.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Image

# Side of the model's input, and of its squares.
SIDE, SQUARE = 64, 8
DIMENSION = 3 * (SIDE // SQUARE) ** 2
CARD = f"""
name = "squares"
licence = "Apache-2.0"
source = "tools/endurance.py"
dimension = {DIMENSION}
[input]
width = {SIDE}
height = {SIDE}
[threshold]
value = 0.9
without_geometry = 0.99
"""


class Counted(msgspec.Struct, frozen=True):
    """As much of a record as is counted."""

    type: str
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of the program, when so many records had come."""

    frames: int
    closures: int
    cpu_seconds: float
    resident: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Window:
    """Between two samples."""

    frames: int
    """That had come at its end."""
    closures: int
    milliseconds: float
    """Of processor time a frame."""
    resident: int
    """Bytes at its end."""


def main(arguments: list[str] | None = None) -> int:
    """Run, print; 1 where it fails or gets dearer."""
    options = parse(arguments)
    if options.frames < options.capacity + 2 * options.window:
        print("endurance: --frames must be --capacity and two windows or more", file=sys.stderr)
        return 1
    print(f"Measured on {datetime.date.today()}, {this_machine()}.\n")
    header = ["frames", "closures", "CPU ms a frame", "resident MB"]
    print(render_line(header) + render_line(["---:"] * 4), end="", flush=True)
    windows: list[Window] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for window in run(Path(folder), options):
                windows.append(window)
                print(render(window), end="", flush=True)
        except (OSError, RuntimeError) as error:
            print(f"endurance: {error}", file=sys.stderr)
            return 1
    return judge([window for window in windows if window.frames > options.capacity], options)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--capacity", type=int, default=10_000)
    parser.add_argument("--window", type=int, default=5000, help="frames between two samples")
    parser.add_argument("--time", type=float, default=0.05, help="share that may be gained or lost")
    parser.add_argument("--memory", type=float, default=0.02)
    return parser.parse_args(arguments)


def run(folder: Path, options: argparse.Namespace) -> Iterator[Window]:
    """What each window cost. Raises OSError, and RuntimeError where the program fails."""
    command = [*STREAMVPR, "run", "-", "--model", str(write_model(folder)), "--fps", "0"]
    command += [
        "--capacity",
        str(options.capacity),
        "--records",
        "queries",
        "--threads",
        "1",
    ]
    said = folder / "said.txt"
    with (
        said.open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as program,
    ):
        yield from windows_of(program, options)
        if program.wait() != 0:
            raise RuntimeError(f"streamvpr failed: {said.read_text().strip().splitlines()[-1:]}")


def windows_of(program: subprocess.Popen[bytes], options: argparse.Namespace) -> Iterator[Window]:
    """Feed a program and read its records."""
    assert program.stdin is not None
    assert program.stdout is not None
    pictures = islice(fly(options.capacity), options.frames)
    feeder = threading.Thread(target=feed, args=(program.stdin, pictures), daemon=True)
    feeder.start()
    try:
        before = None
        for sample in samples(program.pid, program.stdout, options.window):
            if before is not None:
                yield between(before, sample)
            before = sample
    except BaseException:
        program.kill()
        raise
    finally:
        feeder.join()


def write_model(folder: Path) -> Path:
    """Mean colours of squares as a model, its card beside it."""
    path = folder / "squares.onnx"
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["m"], kernel_shape=[SQUARE] * 2, strides=[SQUARE] * 2
        ),
        helper.make_node("Flatten", ["m"], ["flat"], axis=1),
        helper.make_node("LpNormalization", ["flat"], ["descriptors"], axis=1, p=2),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    found = helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["N", DIMENSION])
    graph = helper.make_graph(nodes, "squares", [images], [found])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    return path


def feed(pipe: IO[bytes], pictures: Iterator[Image]) -> None:
    """Write pictures, as one JPEG after the other."""
    try:
        with pipe:
            for picture in pictures:
                pipe.write(encoded(picture))
    except OSError:
        pass  # The program ended early, which its exit code tells.


def encoded(picture: Image) -> bytes:
    """As a JPEG."""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def samples(process: int, records: IO[bytes], window: int) -> Iterator[Sample]:
    """One before the first record, and one after each window of `query` records."""
    yield Sample(0, 0, *usage(process))
    frames = closures = 0
    for line in records:
        record = msgspec.json.decode(line, type=Counted)
        if record.type != "query":
            continue
        frames += 1
        closures += record.decision == "accepted"
        if frames % window == 0:
            yield Sample(frames, closures, *usage(process))


def usage(process: int) -> tuple[float, int]:
    """Seconds of processor time, user and system, and resident bytes."""
    folder = Path("/proc") / str(process)
    # The program's name, which may hold blanks, ends at the last bracket.
    numbers = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(numbers[11]) + int(numbers[12])
    pages = int((folder / "statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def between(before: Sample, after: Sample) -> Window:
    """The window that ends at the second."""
    spent = 1000 * (after.cpu_seconds - before.cpu_seconds) / (after.frames - before.frames)
    return Window(after.frames, after.closures - before.closures, spent, after.resident)


def render(window: Window) -> str:
    """A line of the table."""
    cells = [f"{window.frames:,}", f"{window.closures:,}", f"{window.milliseconds:.2f}"]
    return render_line([*cells, f"{window.resident / 1e6:.1f}"])


def judge(windows: list[Window], options: argparse.Namespace) -> int:
    """Say how the last compare with the first of those of a full ring; 1 where it is too much."""
    third = max(1, len(windows) // 3)
    first = median(window.milliseconds for window in windows[:third])
    last = median(window.milliseconds for window in windows[-third:])
    time, memory = last / first - 1, windows[-1].resident / windows[0].resident - 1
    print(f"\nA frame costs {time:+.1%} of processor time, and memory is {memory:+.1%}.")
    return int(abs(time) > options.time or memory > options.memory)


if __name__ == "__main__":
    sys.exit(main())
