#!/usr/bin/env python3
"""What a place costs a retriever by words, and a query among very many of them.

    python tools/retriever_speed.py --places 20000 hashbow hbst dbow bow

Places are made of the features of made-up pictures (tools/long_flight.py, streamvpr's demo), drawn
at random: as uneven as real ones are. Each bit of ORB's is flipped with probability --flips, and
each number of SIFT's changed by as much noise: as different from each other as other places' are. A
table in Markdown goes to standard output:
milliseconds of processor time (mean, largest) to add a place and to ask for all similarities, and
bytes a place.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import cv2
import numpy as np
from courses import render_line
from long_flight import fly

from streamvpr import demo
from streamvpr.features import analysis_size, open_extractor
from streamvpr.frames import FeatureKind, Features
from streamvpr.machine import this_machine
from streamvpr.retrieval import RetrieverKind, open_retriever

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

QUERIES = 50
MOST_FEATURES = 1000
# Views of the one flight are enlarged: they are small.
ENLARGED = 4
# Most numbers of SIFT's are below it.
SIFT_RANGE = 128


def main(arguments: list[str] | None = None) -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("retrievers", nargs="*", default=["hashbow", "hbst", "dbow", "bow"])
    parser.add_argument("--places", type=int, default=20_000)
    parser.add_argument("--flips", type=float, default=0.15)
    parser.add_argument("--vocabulary", type=Path, help="of dbow")
    options = parser.parse_args(arguments)
    print(f"Measured on {datetime.date.today()}, {this_machine()}.\n", flush=True)
    header = ["retriever", "add: ms", "largest", "query: ms", "largest", "bytes a place"]
    sys.stdout.write(render_line(header) + render_line(["---", *["---:"] * (len(header) - 1)]))
    for name in options.retrievers:
        descriptors = features_of_pictures(RetrieverKind(name).features or FeatureKind.ORB)
        sys.stdout.write(render_line([name, *measure(name, descriptors, options)]))
        sys.stdout.flush()
    return 0


def features_of_pictures(kind: FeatureKind) -> NDArray[np.uint8]:
    """(N, ...) descriptors of views of both flights."""
    views = [cv2.cvtColor(view, cv2.COLOR_RGB2GRAY) for view in islice(demo.flight(1), 20)]
    for small in islice(fly(100), 0, 200, 10):
        large = cv2.resize(small, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        views.append(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY))
    extractor = open_extractor(kind)
    found = []
    for view in views:
        size = analysis_size(view.shape[1], view.shape[0], extractor.largest_side)
        gray = np.asarray(cv2.resize(view, size), np.uint8)
        found.append(extractor.extract(gray, view.shape[1]).descriptors)
    return np.asarray(np.concatenate(found), np.uint8)


def measure(name: str, descriptors: NDArray[np.uint8], options: argparse.Namespace) -> list[str]:
    """The cells of a retriever's line."""
    retriever = open_retriever(RetrieverKind(name), options.vocabulary if name == "dbow" else None)
    assert retriever is not None
    pictures = made(descriptors, retriever.kind, options.flips)
    index = retriever.open_index(options.places)
    adding = []
    # Half as many again, so that places are evicted, too.
    for features in islice(pictures, options.places * 3 // 2):
        signature = retriever.describe(features)
        adding.append(cost(lambda: index.add(signature)))  # noqa: B023
    asking = []
    for features in islice(pictures, QUERIES):
        signature = retriever.describe(features)
        asking.append(cost(lambda: index.scores(signature)))  # noqa: B023
    each = index.nbytes / len(index)
    figures = [fmean(adding), max(adding), fmean(asking), max(asking)]
    return [*(f"{1000 * figure:.1f}" for figure in figures), f"{each:,.0f}"]


def made(descriptors: NDArray[np.uint8], kind: FeatureKind, flips: float) -> Iterator[Features]:
    """Pictures without an end."""
    chance = np.random.default_rng(0)
    points = np.zeros((MOST_FEATURES, 2), np.float32)
    while True:
        drawn = descriptors[chance.integers(0, len(descriptors), MOST_FEATURES)]
        if kind is FeatureKind.ORB:
            flipped = chance.random((MOST_FEATURES, 256), np.float32) < flips
            changed = drawn ^ np.packbits(flipped, axis=1)
        else:
            noise = chance.normal(0, SIFT_RANGE * flips, drawn.shape)
            changed = np.clip(drawn + noise, 0, 255).astype(np.uint8)
        yield Features(points, changed, 1.0, kind)


def cost(call: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
