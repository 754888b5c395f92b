#!/usr/bin/env python3
"""Ten hours of a camera in accelerated time, with faults among them: what grows, and what is lost.

    python tools/ten_hours.py --hours 10 --capacity 5000

The flight of tools/endurance.py, two pictures a second of stream time, as a transport stream
through a pipe into `streamvpr run - --fps 2`, geometry on, with an output folder and a file of
records that is set aside again and again. Every --every pictures something goes wrong for a few of
them: packets are lost, change places or have bits flipped, bytes come that mean nothing, the
stream's clock begins anew, jumps forward or back, or nothing comes for a while. Half way through
its timestamps wrap at 2^33.

A second program gets the same near the end (tools/aging.py), so that the cost of a frame is
compared on the same pictures at the same time. The exit code is 1 where an old run costs more than
--time more a frame, or its memory is larger by more than --memory; where it has more threads or
descriptors in the last window than when its ring was full; or where the last windows close fewer
than --closures of the loops that the first did. A Markdown table goes to standard output. Linux.
"""

from __future__ import annotations

import argparse
import datetime
import random
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from aging import (
    MORE,
    Window,
    add_arguments,
    cells,
    compare,
    judge,
    pairs,
    until_compared,
    young_from,
)
from camera import coded
from courses import STREAMVPR, render_line
from long_flight import fly
from squares_model import write_model
from stream_faults import SPOILING
from transport_stream import CLOCK, WRAP, TransportStream

from streamvpr.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES_A_SECOND = 2
STEP = CLOCK // PICTURES_A_SECOND
# Pictures behind the last window for those that faults take.
LOST = 40
SPOILT_PICTURES = 5
MOST_JUMP_SECONDS = 100
PAUSE_SECONDS = 0.5
KINDS = (*SPOILING, "garbage", "clock reset", "clock forward", "clock back", "pause")


def main(arguments: list[str] | None = None) -> int:
    """Run, print; 1 where it fails or gets dearer."""
    options = parse(arguments)
    options.frames = round(options.hours * 3600 * PICTURES_A_SECOND)
    if young_from(options.frames, options) < 0:
        print("ten_hours: more --hours, or nothing is older than another", file=sys.stderr)
        return 1
    print(f"Measured on {datetime.date.today()}, {this_machine()}.\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            old, young, faults = fly_through(Path(folder), options)
        except (OSError, RuntimeError) as error:
            print(f"ten_hours: {error}", file=sys.stderr)
            return 1
    print(render(old, young))
    print(f"{faults} faults among {options.frames:,} pictures.")
    dearer = judge(pairs(old, young)[-options.compared :], options)
    return max(dearer, less_good(old, options))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10.0, help="of stream time")
    parser.add_argument("--every", type=int, default=300, metavar="PICTURES", help="one fault each")
    add_arguments(parser, capacity=5000)
    parser.add_argument("--closures", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def fly_through(
    folder: Path, options: argparse.Namespace
) -> tuple[list[Window], list[Window], int]:
    """The windows of the old program and of the young, and how many faults there were.

    Raises OSError, and RuntimeError where one fails.
    """
    model = write_model(folder)
    camera = FaultyPictures(options)
    old, young = compare(
        lambda age: _command(folder / age, model, options),
        camera.pictures(),
        options.frames,
        options,
    )
    return old, young, camera.faults


def _command(folder: Path, model: Path, options: argparse.Namespace) -> list[str]:
    folder.mkdir()
    command = [*STREAMVPR, "run", "cam=-", "--model", str(model), "--fps", str(PICTURES_A_SECOND)]
    command += ["--capacity", str(options.capacity), "--records", "queries", "--threads", "1"]
    command += ["--output-dir", str(folder / "out"), "--jsonl", str(folder / "records.jsonl")]
    return [*command, "--jsonl-size", "1", "--jsonl-keep", "2"]


class FaultyPictures:
    """The flight as a transport stream in which something goes wrong again and again."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.faults = 0
        self._options = options
        self._chance = random.Random(options.seed)
        self._pts = (WRAP - options.frames // 2 * STEP) % WRAP

    def pictures(self) -> Iterator[bytes]:
        """The bytes of one picture after the other."""
        stream, options = TransportStream(), self._options
        kind = ""
        images = islice(fly(options.capacity), options.frames + MORE + LOST)
        for number, picture in enumerate(coded(images)):
            at = number % options.every
            if at == options.every - SPOILT_PICTURES:
                kind = KINDS[self.faults % len(KINDS)]
                self.faults += 1
                self._begin(kind)
            elif at == 0:
                kind = ""
            packets = stream.picture(picture.data, self._pts, keyframe=picture.keyframe)
            self._pts = (self._pts + STEP) % WRAP
            if kind in SPOILING:
                packets = SPOILING[kind](packets, self._chance)
            elif kind == "garbage":
                packets = [*packets, self._chance.randbytes(1000)]
            yield b"".join(packets)

    def _begin(self, kind: str) -> None:
        jump = round(self._chance.uniform(0, MOST_JUMP_SECONDS) * CLOCK)
        if kind == "clock reset":
            self._pts = 0
        elif kind == "clock forward":
            self._pts = (self._pts + jump) % WRAP
        elif kind == "clock back":
            self._pts = (self._pts - jump) % WRAP
        elif kind == "pause":
            time.sleep(PAUSE_SECONDS)


def render(old: list[Window], young: list[Window]) -> str:
    """A Markdown table."""
    beside = {window.frames: window for window in young}
    header = ["frames", "closures", "CPU ms a frame", "resident MB", "threads", "descriptors"]
    header += ["young: CPU ms", "MB"]
    lines = [render_line(header), render_line(["---:"] * len(header))]
    for window in old:
        shown = [*cells(window), str(window.threads), str(window.descriptors)]
        shown += cells(beside.get(window.frames))
        lines.append(render_line([f"{window.frames:,}", f"{window.closures:,}", *shown]))
    return "".join(lines)


def less_good(old: list[Window], options: argparse.Namespace) -> int:
    """Say how the last windows compare with those in which the ring was first full; 1: badly."""
    full = [window for window in old if window.frames >= until_compared(options)]
    first, last = full[: options.compared], full[-options.compared :]
    closures = [median(w.closures for w in windows) for windows in (first, last)]
    threads = [max(w.threads for w in windows) for windows in (first, last)]
    descriptors = [max(w.descriptors for w in windows) for windows in (first, last)]
    print(
        f"From {first[0].frames:,} to {last[-1].frames:,} frames: closures a window "
        f"{closures[0]:g} and {closures[1]:g}, threads {threads[0]} and {threads[1]}, descriptors "
        f"{descriptors[0]} and {descriptors[1]}."
    )
    fewer = closures[1] < options.closures * closures[0]
    return int(fewer or threads[1] > threads[0] or descriptors[1] > descriptors[0])


if __name__ == "__main__":
    sys.exit(main())
