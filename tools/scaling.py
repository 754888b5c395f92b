#!/usr/bin/env python3
"""What a place, a query and a stream cost, and what a cluster adds to each.

    python tools/scaling.py flight.mp4 --places 100000 1000000 --cluster local

The source is run in this process, and watched: processor time of each stage on one thread, a frame.
It is run again with a map: bytes of a place in the file. Then rings of made-up descriptors, of the
model's dimension, are searched as a shard searches its part of a map. With `--cluster` a picture
goes to a model that is an actor, and a question to a shard that is one, and back.

Markdown tables go to standard output. Processor times bear a busy machine; those with a cluster are
of the wall clock, medians, and do not.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import pickle
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from courses import render_line
from threadpoolctl import threadpool_limits

from streamvpr.config import RunOptions
from streamvpr.descriptor_ring import DescriptorRing, sum_of
from streamvpr.errors import StreamVPRError
from streamvpr.machine import this_machine
from streamvpr.session import open_online
from streamvpr.shortlist import how_many, shortlist
from streamvpr.sinks import Shown, Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from streamvpr.frames import Decision

T = TypeVar("T")
QUERIES, TOGETHER, TRIPS = 32, 16, 50
CHUNK = 20_000
FLOAT, ROW, BITS, KILO = 4, 8, 4, 1e3


@dataclass
class Watched(Sink):
    """A sink and a watch: what a run of one stream took and gave."""

    seconds: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    bytes_told: int = 0

    def __call__(self, name: str, work: Callable[[], T], /) -> T:
        """Do the work of a stage, on its thread, and note its processor time."""
        began = time.thread_time()
        try:
            return work()
        finally:
            spent = time.thread_time() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def write(self, decision: Decision) -> None:
        """Count a decision, and what of it would go to a driver."""
        from streamvpr.cluster.outbox import lean

        self.frames += 1
        self.bytes_told += len(pickle.dumps(lean(decision, remembered=False, shown=Shown.NOTHING)))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        print(f"Measured on {datetime.date.today()}, {this_machine()}.\n")
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(1, "blas"):
            path = Path(folder) / "places.vpr"
            measure_stream(options)
            dimension = measure_place(options, path)
            measure_queries(options.places, dimension)
            if options.cluster is not None:
                measure_cluster(options, path)
    except (OSError, StreamVPRError) as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a video")
    parser.add_argument("--places", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--model", help="as in `run`")
    parser.add_argument("--fps", type=float, help="as in `run`")
    parser.add_argument("--cluster", help="as in `run`; left out, nothing of it is measured")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace, **others: Any) -> RunOptions:
    """The options of a run on one thread."""
    known = {"model": options.model, "fps": options.fps, "threads": 1, "device": "cpu"}
    return RunOptions(**{**known, **others})


def run(options: argparse.Namespace, **others: Any) -> Watched:
    """What a run of the source takes and gives."""
    watched = Watched()
    session = open_online([options.source], chosen(options, **others), [watched])
    session.watch(watched)
    asyncio.run(session.run())
    return watched


def measure_stream(options: argparse.Namespace) -> None:
    """A frame of one stream, stage by stage."""
    watched = run(options)
    table(["a frame of a stream", "ms of a core"])
    decoding = [name for name in watched.seconds if name.startswith("decode")]
    spent = {name: watched.seconds[name] for name in watched.seconds if name not in decoding}
    spent = {"decode": sum(watched.seconds[name] for name in decoding), **spent}
    # What a sink takes here is the measuring; what verifying takes is a part of recognizing.
    del spent["emit"]
    verifying = spent.pop("verify", 0.0)
    for name, seconds in spent.items():
        row([name, f"{KILO * seconds / watched.frames:.2f}"])
    row(["of that verify", f"{KILO * verifying / watched.frames:.2f}"])
    row(["all", f"{KILO * sum(spent.values()) / watched.frames:.2f}"])
    told = watched.bytes_told / watched.frames
    print(f"\n{watched.frames} frames; a decision goes to the driver in {told:.0f} bytes.\n")


def measure_place(options: argparse.Namespace, path: Path) -> int:
    """Bytes of a place, in a map that is made for it; the descriptors' dimension."""
    run(options, map=path)
    with closing(sqlite3.connect(path)) as connection:
        dimension = int(connection.execute("SELECT dimension FROM map").fetchone()[0])
        count, descriptors = connection.execute(
            "SELECT count(*), sum(length(descriptor)) FROM place"
        ).fetchone()
        features = connection.execute(
            "SELECT sum(length(points) + length(descriptors) + coalesce(length(poses), 0))"
            " FROM local"
        ).fetchone()[0]
    table(["a place", "bytes"])
    row(["descriptor in a shard's memory", f"{FLOAT * dimension}"])
    row(["its code", f"{-(-dimension // 8)}"])
    row(["where it stands, once a node", f"{ROW}"])
    row(["in the map's file", f"{path.stat().st_size / count:.0f}"])
    row(["of that descriptor", f"{descriptors / count:.0f}"])
    row(["of that local features", f"{(features or 0) / count:.0f}"])
    print()
    return dimension


def measure_queries(sizes: list[int], dimension: int) -> None:
    """Processor time and numbers of a query of parts of a map."""
    columns = ["places", "ms, codes", f"ms, codes of {TOGETHER} together", "ms, products"]
    table([*columns, "compared", "kB both ways"])
    for places in sizes:
        chance = np.random.default_rng(places)
        ring = fill(chance, places, dimension)
        row([f"{places:,}", *search(ring, walk(chance, QUERIES, dimension))])
    print()


def search(ring: DescriptorRing, queries: NDArray[np.float32]) -> list[str]:
    """The columns of a query: medians."""
    codes, products, compared = [], [], []
    for query in queries:
        spent, found = timed(partial(shortlist, ring, query, len(ring)))
        codes.append(spent)
        products.append(timed(partial(ring.scores_of, found.rows, query))[0])
        compared.append(len(found.rows))
    most = how_many(len(ring), ring.dimension)
    together = [
        timed(partial(ring.nearest, batch, most, len(ring)))[0] / TOGETHER
        for batch in np.split(queries, QUERIES // TOGETHER)
    ]
    times = [f"{KILO * statistics.median(each):.2f}" for each in (codes, together, products)]
    rows = statistics.median(compared)
    # The query twice; rows and bits of the nearest; rows that are asked for, and a similarity each.
    sent = 2 * FLOAT * ring.dimension + rows * (2 * ROW + BITS + FLOAT)
    return [*times, f"{rows:.0f}", f"{sent / KILO:.0f}"]


def measure_cluster(options: argparse.Namespace, path: Path) -> None:
    """What an actor adds to a picture's way through the model, and to a question to a shard."""
    from streamvpr.cluster.connection import connect
    from streamvpr.cluster.embedding import EmbeddingActor, remote_embedder
    from streamvpr.cluster.shard import Part, Shard
    from streamvpr.cluster.workplace import Workplace
    from streamvpr.embedding import open_embedder

    settings = chosen(options)
    connection = connect(options.cluster)
    try:
        workplace = Workplace.mine()
        actor = connection.actor(EmbeddingActor, settings, workplace)
        there = remote_embedder(connection, actor, connection.get(actor.opened.remote()))
        here = open_embedder(settings.model, device="cpu", threads=1)
        size = here.card.input
        picture = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), np.uint8)
        with closing(sqlite3.connect(path)) as file:
            count, newest = file.execute("SELECT count(*), max(id) FROM place").fetchone()
        shard = connection.actor(Shard, Part(path, newest, count, 0, count), None, workplace)
        connection.get(shard.count.remote())
        query = there.embed([picture])[0]
        table(["what a cluster adds", "ms of the wall clock"])
        trips = {
            "a picture through the model here": lambda: here.embed([picture]),
            "the same in an actor": lambda: there.embed([picture]),
            f"a query of {count} places in an actor": lambda: connection.get(
                shard.scores.remote(query)
            ),
            "a place with its features out of an actor": lambda: connection.get(
                shard.kept.remote(count // 2)
            ),
        }
        for name, trip in trips.items():
            taken = [wall(trip) for _ in range(TRIPS)]
            row([name, f"{KILO * statistics.median(taken):.2f}"])
        connection.end([actor, shard])
    finally:
        connection.close()


def walk(chance: np.random.Generator, count: int, dimension: int) -> NDArray[np.float32]:
    """Descriptors that have something in common, as those of one model do."""
    found = chance.standard_normal((count, dimension), np.float32)
    found += 1
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def fill(chance: np.random.Generator, places: int, dimension: int) -> DescriptorRing:
    """A shard's ring, coded."""
    vectors = np.empty((places, dimension), np.float32)
    for start in range(0, places, CHUNK):
        vectors[start : start + CHUNK] = walk(
            chance, len(vectors[start : start + CHUNK]), dimension
        )
    ring = DescriptorRing(places, dimension)
    ring.extend(vectors, centre=np.asarray(sum_of(vectors) / places, np.float32))
    return ring


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of some work on this thread, and what it gave."""
    began = time.thread_time()
    done = work()
    return time.thread_time() - began, done


def wall(work: Callable[[], object]) -> float:
    """Seconds that some work took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def table(columns: list[str]) -> None:
    """The head of a Markdown table."""
    print(render_line(columns) + render_line(["---", *["---:"] * (len(columns) - 1)]), end="")


def row(cells: list[str]) -> None:
    """A line of it."""
    print(render_line(cells), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
