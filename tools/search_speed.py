#!/usr/bin/env python3
"""What a search of very many places costs, and whether it finds the most similar of them.

    python tools/search_speed.py drone/images flight.mp4 --places 1000000 --dimension 512

A past is filled with real descriptors, the bundled model's of all pictures of the sources in turn,
each time with noise of its own. Queries are places of that past seen again, with other noise. What
they should find, reading all descriptors says; what they do find is `PlaceDatabase.search`.

A Markdown table goes to standard output, a row for each amount of noise. Times are those of the
processor, medians over queries, on one thread: of the library's search of one query, of the codes
alone of 16 queries at once with the products that follow, of reading all descriptors, and of adding
a descriptor (a full ring, codes included).
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from courses import render_line
from threadpoolctl import threadpool_limits

from streamvpr.database import PlaceDatabase
from streamvpr.descriptor_ring import DescriptorRing
from streamvpr.embedding import open_embedder
from streamvpr.errors import StreamVPRError
from streamvpr.export.pictures import read_pictures
from streamvpr.frames import Place
from streamvpr.machine import this_machine
from streamvpr.matching import distinct_in_time
from streamvpr.shortlist import how_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Descriptors = NDArray[np.float32]

T = TypeVar("T")
MOST, BATCH = 5, 16
# Descriptors are made so many at a time.
CHUNK = 20_000
APPENDED = 20_000


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of one past. Times are CPU milliseconds a query."""

    noise: float
    first: float
    """Share of the queries of which the most similar place was found."""
    all_five: float
    """Share of which the five most similar, distinct in time, were found, in order."""
    alone: float
    together: float
    whole: float
    add_us: float
    """Microseconds to add one."""


def main(arguments: list[str] | None = None) -> int:
    """Fill, search, print; 1 with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        real = shorten(describe(options.sources), options.dimension)
        print(
            f"{len(real)} real descriptors, {options.places:,} places of {real.shape[1]} numbers, "
            f"{options.queries} queries. Measured on {datetime.date.today()}, {this_machine()}.\n"
        )
        columns = ["noise", "first found", "all five found", "ms alone", f"ms of {BATCH}"]
        columns += ["ms, all read", "us to add"]
        print(render_line(columns) + render_line(["---", *["---:"] * 6]), end="", flush=True)
        with threadpool_limits(1, "blas"):
            for noise in options.noise:
                print(render(measure(real, noise, options)), end="", flush=True)
    except (OSError, StreamVPRError) as error:
        print(f"search_speed: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="IMAGES|VIDEO")
    parser.add_argument("--places", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, help="keep so many numbers of each descriptor")
    parser.add_argument("--queries", type=int, default=64)
    parser.add_argument(
        "--noise", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2], help="its length"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def describe(sources: list[Path]) -> Descriptors:
    """(N, D) descriptors of all pictures. Raises StreamVPRError."""
    embedder = open_embedder(device="cpu")
    size = (embedder.card.input.width, embedder.card.input.height)
    found = [
        embedder.embed([picture])
        for source in sources
        for picture in read_pictures(str(source), size)
    ]
    return np.concatenate(found)


def shorten(descriptors: Descriptors, dimension: int | None) -> Descriptors:
    """The first numbers of each, of length 1 again."""
    return units(descriptors[:, :dimension])


def units(vectors: Descriptors) -> Descriptors:
    """Of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def noisy(chance: np.random.Generator, descriptors: Descriptors, noise: float) -> Descriptors:
    """Each with other noise of about that length."""
    spread = np.float32(noise / np.sqrt(descriptors.shape[1]))
    added = chance.standard_normal(descriptors.shape, np.float32) * spread
    return units(descriptors + added)


def measure(real: Descriptors, noise: float, options: argparse.Namespace) -> Row:
    """One past and its queries."""
    chance = np.random.default_rng(options.seed)
    database, past = fill(chance, real, noise, options.places)
    seen = chance.integers(0, options.places, options.queries)
    queries = noisy(chance, past[seen], noise)
    alone, found = [], []
    for query in queries:
        spent, candidates = timed(partial(database.search, query, most=MOST))
        alone.append(spent)
        found.append([candidate.place.index for candidate in candidates])
    whole, wanted = [], []
    for query in queries:
        spent, rows = timed(partial(read_all, past, query))
        whole.append(spent)
        wanted.append(rows)
    ring = fill_ring(past)
    return Row(
        noise,
        first=float(np.mean([a[:1] == b[:1] for a, b in zip(found, wanted, strict=True)])),
        all_five=float(np.mean([a == b for a, b in zip(found, wanted, strict=True)])),
        alone=1e3 * statistics.median(alone),
        together=1e3 * statistics.median(search_together(ring, queries)),
        whole=1e3 * statistics.median(whole),
        add_us=1e6 * statistics.median(add_more(ring, past)),
    )


def fill(
    chance: np.random.Generator, real: Descriptors, noise: float, places: int
) -> tuple[PlaceDatabase, Descriptors]:
    """A database of that many places, and their descriptors again."""
    database = PlaceDatabase(places, real.shape[1])
    past = np.empty((places, real.shape[1]), np.float32)
    for start in range(0, places, CHUNK):
        rows = np.arange(start, min(start + CHUNK, places))
        past[rows] = noisy(chance, real[rows % len(real)], noise)
    for index, descriptor in enumerate(past):
        database.add(Place("past", index, None, "", 1, None, None), descriptor)
    return database, past


def fill_ring(past: Descriptors) -> DescriptorRing:
    """A full ring of the same descriptors."""
    ring = DescriptorRing(len(past), past.shape[1])
    for descriptor in past:
        ring.add(descriptor)
    return ring


def read_all(past: Descriptors, query: NDArray[np.float32]) -> list[int]:
    """What reading all descriptors finds."""
    return distinct_in_time(past @ query, np.arange(len(past)), MOST)


def search_together(ring: DescriptorRing, queries: Descriptors) -> list[float]:
    """Seconds a query of so many at once: their codes, and then the products of each."""
    found = []
    for start in range(0, len(queries) - BATCH + 1, BATCH):
        batch = queries[start : start + BATCH]
        spent, _ = timed(partial(rank_together, ring, batch))
        found.append(spent / BATCH)
    return found


def rank_together(ring: DescriptorRing, batch: Descriptors) -> list[NDArray[np.int64]]:
    """The rows of the most similar of each of some queries."""
    ranked, most = [], how_many(len(ring), ring.dimension)
    for rows, query in zip(ring.nearest(batch, most, len(ring)), batch, strict=True):
        rows.sort()
        scores = ring.scores_of(rows, query)
        ranked.append(rows[distinct_in_time(scores, rows, MOST)])
    return ranked


def add_more(ring: DescriptorRing, past: Descriptors) -> list[float]:
    """Seconds for each of many descriptors more, in a few turns."""

    def add() -> None:
        for descriptor in past[:APPENDED]:
            ring.add(descriptor)

    return [timed(add)[0] / min(APPENDED, len(past)) for _ in range(5)]


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of some work, and what it gave."""
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def render(row: Row) -> str:
    """A line of the table."""
    figures = [row.noise, row.first, row.all_five, row.alone, row.together, row.whole, row.add_us]
    return render_line([f"{figure:.3g}" for figure in figures])


if __name__ == "__main__":
    sys.exit(main())
