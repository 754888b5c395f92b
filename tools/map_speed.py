#!/usr/bin/env python3
"""What a map costs: adding a place to it, and opening it when it is large.

    python tools/map_speed.py --places 100000

Fills a map with made-up places of the size of real ones (`--features` of ORB, a thumbnail of
`--thumbnail` bytes), and opens it as a run does. A Markdown table goes to standard output.
Processor time of the thread that adds is what the pipeline pays; that of the process has the
thread that writes in it, too.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from streamvpr.frames import FeatureKind, Features, Place
from streamvpr.machine import this_machine
from streamvpr.maps import MapModel, NewSession, open_reader, open_writer
from streamvpr.maps.writer import Kept


def fill(path: Path, places: int, dimension: int, features: int, thumbnail: int) -> list[float]:
    """Make a map; seconds of the adding thread, of the process, and by the clock, a place."""
    chance = np.random.default_rng(0)
    model = MapModel("made", "0" * 64, dimension, FeatureKind.ORB)
    writer = open_writer(path, model, NewSession({}, "made"))
    local = Features(
        points=chance.uniform(0, 640, (features, 2)).astype(np.float32),
        descriptors=chance.integers(0, 256, (features, 32), np.uint8),
        scale=1.0,
        size=(640, 480),
        poses=chance.integers(0, 256, (features, 2), np.uint8),
    )
    jpeg = chance.bytes(thumbnail)
    block = chance.normal(size=(1000, dimension)).astype(np.float32)
    block /= np.linalg.norm(block, axis=1, keepdims=True)
    adding, process, began = 0.0, time.process_time(), time.perf_counter()
    for index in range(places):
        place = Place("cam", index, index / 2, "cam.mp4", 640, local, None)
        kept = Kept(place, block[index % 1000], jpeg)
        since = time.thread_time()
        writer.add(kept)
        adding += time.thread_time() - since
    writer.close()
    spent = time.process_time() - process
    return [each / places for each in (adding, spent, time.perf_counter() - began)]


def open_again(path: Path) -> tuple[float, float]:
    """Seconds of processor time, and by the clock, until the places can be searched."""
    process, began = time.process_time(), time.perf_counter()
    with contextlib.closing(open_reader(path)) as reader:
        history = reader.history()
        assert history is not None
        return time.process_time() - process, time.perf_counter() - began


def main() -> int:
    """Run as a program; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--places", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=640)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--thumbnail", type=int, default=40_000, help="bytes")
    parser.add_argument("--folder", type=Path, help="where the map goes; default: temporary")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "large.vpr"
        adding, process, wall = fill(
            path, args.places, args.dimension, args.features, args.thumbnail
        )
        size = path.stat().st_size
        cpu, clock = open_again(path)
    print(f"Measured on {this_machine()}.\n")
    print("| places | MB | ms to add, thread | ms, process | ms, clock | s to open, CPU | clock |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    milliseconds = " | ".join(f"{each * 1e3:.3f}" for each in (adding, process, wall))
    print(f"| {args.places} | {size / 1e6:.0f} | {milliseconds} | {cpu:.2f} | {clock:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
