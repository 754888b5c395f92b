#!/usr/bin/env python3
"""Whether the ten-thousandth frame and the hundred-thousandth cost the same, in time and in memory.

    python tools/endurance.py --frames 100000 --capacity 10000

A camera flies over made-up ground that is never the same but where it comes back to a place of
before, and now and then stands still (tools/long_flight.py). Its pictures go through a pipe into
`streamvpr run -`, geometry on, every frame, with a model that costs nothing: mean colours of
squares. Whenever another window of records has come, the processor time of the program and its
resident memory are read from /proc.

Near the end a second one is started and gets the same pictures (tools/aging.py). Exit code 1 where
the median of the ratios of the last `--compared` windows says that an old run takes more than
`--time` more, or that its memory is larger by more than `--memory`.

A Markdown table goes to standard output, a row a window. It needs streamvpr with ONNX Runtime, and
onnx. Linux.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from aging import MORE, add_arguments, cells, compare, judge, pairs, young_from
from courses import STREAMVPR, render_line
from long_flight import fly
from squares_model import write_model

from streamvpr.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aging import Window


def main(arguments: list[str] | None = None) -> int:
    """Run, print; 1 where it fails or gets dearer."""
    options = parse(arguments)
    if young_from(options.frames, options) < 0:
        print("endurance: more --frames, or nothing is older than another", file=sys.stderr)
        return 1
    print(f"Measured on {datetime.date.today()}, {this_machine()}.\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [*STREAMVPR, "run", "-", "--model", str(write_model(Path(folder)))]
        command += ["--capacity", str(options.capacity), "--fps", "0"]
        command += ["--records", "queries", "--threads", "1"]
        try:
            old, young = compare(lambda _: command, pictures(options), options.frames, options)
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
    add_arguments(parser, capacity=10_000)
    return parser.parse_args(arguments)


def pictures(options: argparse.Namespace) -> Iterator[bytes]:
    """The flight, a JPEG a frame."""
    for picture in islice(fly(options.capacity), options.frames + MORE):
        yield cv2.imencode(".jpg", picture)[1].tobytes()


def render(old: list[Window], young: list[Window]) -> str:
    """A Markdown table."""
    beside = {window.frames: window for window in young}
    header = ["frames", "closures", "CPU ms a frame", "resident MB", "young: CPU ms", "MB"]
    lines = [render_line(header), render_line(["---:"] * len(header))]
    for window in old:
        shown = [*cells(window), *cells(beside.get(window.frames))]
        lines.append(render_line([f"{window.frames:,}", f"{window.closures:,}", *shown]))
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
