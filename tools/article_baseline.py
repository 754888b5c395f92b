#!/usr/bin/env python3
"""Place recognition as a well-known tutorial on it does it: a baseline to measure against.

    python tools/article_baseline.py run IMAGES --model resnet50-gem --exclude-recent 30
    python tools/article_baseline.py match DATABASE QUERY --model resnet50-gem

The method of OpenCV's article "Visual Place Recognition: A Hands-on Tutorial", written afresh:

- A picture is scaled by PIL until its shorter side is that of the network, and the middle is cut
  out (384 pixels in the article).
- Generalised-mean features of a network go through a linear layer that nobody trained, to 512
  numbers of length 1. Here the network is any model of streamvpr (`--model`), and the layer is
  drawn from `--seed` as torch draws one, without its constant: that is added to features whose
  length is some tens there, and moves nothing.
- The most similar picture of the past without its newest `--exclude-recent` ones, or of the
  database, is the one candidate. Its cosine must reach `--sim-threshold`; only then is it asked
  whether it is `--min-loop-gap` back, so that a picture inside the gap hides those beyond. Where it
  does, the record says that nothing may match.
- ORB on both pictures as they are, Hamming distance, Lowe's ratio, a homography by RANSAC within
  `--reproj-thresh` pixels; `--min-inliers` accept it. The article names ORB, RANSAC and 20 inliers.
  Of the usual numbers of features (500 to 2000) and ratios (0.75, 0.8) those are the defaults that
  found most.

Standard output holds `query` records as `streamvpr run --records queries` prints them, without a
confidence, and at the end of each folder a `stream` record with its number of frames. It needs
streamvpr with ONNX Runtime, and Pillow, which matplotlib brings.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
from PIL import Image

from streamvpr.embedding import open_embedder
from streamvpr.errors import StreamVPRError
from streamvpr.records import Query
from streamvpr.sources import ImageFolderSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streamvpr.embedding import Embedder

# A homography has eight unknowns, and a pair of points gives two equations.
LEAST_PAIRS = 4


@dataclass(frozen=True, slots=True)
class View:
    """A picture of a folder, described."""

    path: str
    descriptor: NDArray[np.float32]
    """(D,) of length 1."""


class Describer:
    """Pictures to descriptors of length 1: network, then a projection that nobody trained."""

    def __init__(self, embedder: Embedder, dimension: int, seed: int) -> None:
        size = embedder.card.input
        self._width, self._height = size.width, size.height
        self._embedder = embedder
        features = embedder.card.dimension
        bound = 1 / np.sqrt(features)
        self._projection = np.random.default_rng(seed).uniform(-bound, bound, (features, dimension))

    def describe(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(D,) of a picture (H, W, 3) uint8. Raises ModelError."""
        (features,) = self._embedder.embed([cut_out(rgb, self._width, self._height)])
        projected = features @ self._projection
        return np.asarray(projected / np.linalg.norm(projected), np.float32)


class Checker:
    """ORB on two pictures, and the homography that explains most of their matches."""

    def __init__(self, features: int, ratio: float, reproj_thresh: float) -> None:
        """`ratio`: Lowe's, of the best to the second-best distance; `reproj_thresh` in pixels."""
        self._orb = cv2.ORB.create(nfeatures=features)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._ratio = ratio
        self._reproj_thresh = reproj_thresh

    def check(self, query: str, match: str) -> tuple[int, int]:
        """How many features of two image files match, and how many of those are inliers."""
        query_points, query_bits = self._features(query)
        match_points, match_bits = self._features(match)
        if len(query_points) < 1 or len(match_points) < 2:
            return 0, 0
        pairs = [
            (best.queryIdx, best.trainIdx)
            for best, second in self._matcher.knnMatch(query_bits, match_bits, k=2)
            if best.distance < self._ratio * second.distance
        ]
        if len(pairs) < LEAST_PAIRS:
            return len(pairs), 0
        rows, columns = zip(*pairs, strict=True)
        _, inliers = cv2.findHomography(
            query_points[[*rows]], match_points[[*columns]], cv2.RANSAC, self._reproj_thresh
        )
        return len(pairs), 0 if inliers is None else int(inliers.sum())

    def _features(self, path: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        gray = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        if gray is None:
            raise OSError(f"cannot read {path} again")
        points, bits = self._orb.detectAndCompute(gray, None)
        if not points:
            return np.empty((0, 2), np.float32), np.empty((0, 32), np.uint8)
        places = np.asarray(cv2.KeyPoint.convert(points), np.float32)
        return places, np.asarray(bits, np.uint8)


def cut_out(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The middle (height, width, 3) of a picture scaled until it just covers that."""
    picture = Image.fromarray(rgb)
    scale = max(width / picture.width, height / picture.height)
    size = max(width, int(scale * picture.width)), max(height, int(scale * picture.height))
    scaled = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return np.asarray(scaled.crop((left, top, left + width, top + height)), np.uint8)


def views(source: ImageFolderSource, describer: Describer) -> Iterator[View]:
    """The pictures of a folder, in natural order. Raises StreamVPRError."""
    for frame in source.frames():
        picture = frame.picture
        rgb = picture.rgb(picture.width, picture.height)
        yield View(frame.path, describer.describe(rgb))


@dataclass(frozen=True, slots=True)
class Judge:
    """What is decided of a query and the pictures that it may match."""

    checker: Checker | None
    """None where similarity decides alone."""
    sim_threshold: float
    min_inliers: int
    min_loop_gap: int

    def judge(self, index: int, view: View, known: list[View]) -> Query:
        """The record of a picture against those that it may match, in order from the first."""
        if not known:
            return Query(query_idx=index, decision="empty_database")
        cosines = np.stack([one.descriptor for one in known]) @ view.descriptor
        best = int(cosines.argmax())
        score = round(float(cosines[best]), 6)
        if score < self.sim_threshold:
            return Query(query_idx=index, match_idx=best, score=score, decision="below_threshold")
        if index - best < self.min_loop_gap:
            return Query(query_idx=index, decision="empty_database")
        if self.checker is None:
            return Query(query_idx=index, match_idx=best, score=score, decision="accepted")
        matches, inliers = self.checker.check(view.path, known[best].path)
        return Query(
            query_idx=index,
            match_idx=best,
            score=score,
            inliers=inliers,
            decision=self._verdict(matches, inliers),
        )

    def _verdict(self, matches: int, inliers: int) -> str:
        if inliers >= self.min_inliers:
            return "accepted"
        return "too_few_matches" if matches < LEAST_PAIRS else "too_few_inliers"


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit codes of streamvpr, with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        embedder = open_embedder(options.model, device="cpu", threads=options.threads)
        describer = Describer(embedder, options.dimension, options.seed)
        checker = Checker(options.features, options.ratio, options.reproj_thresh)
        judge = Judge(
            checker if options.verify_geom else None,
            options.sim_threshold,
            options.min_inliers,
            options.min_loop_gap if options.mode == "run" else -sys.maxsize,
        )
        folders = [ImageFolderSource(folder, name=folder.name) for folder in folders_of(options)]
        if options.mode == "run":
            run(folders[0], describer, judge, options.exclude_recent)
        else:
            match(folders[0], folders[1], describer, judge)
    except StreamVPRError as error:
        print(f"article_baseline: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"article_baseline: error: {error}", file=sys.stderr)
        return 4
    return 0


def run(images: ImageFolderSource, describer: Describer, judge: Judge, exclude_recent: int) -> None:
    """Each picture against those before it, without the newest `exclude_recent`."""
    past: list[View] = []
    for index, view in enumerate(views(images, describer)):
        print_record(judge.judge(index, view, past[: max(0, index - exclude_recent)]), images)
        past.append(view)
    print_end(images, len(past))


def match(
    database: ImageFolderSource, queries: ImageFolderSource, describer: Describer, judge: Judge
) -> None:
    """Each picture of one folder against all of another."""
    known = list(views(database, describer))
    print_end(database, len(known))
    count = 0
    for count, view in enumerate(views(queries, describer), 1):
        print_record(judge.judge(count - 1, view, known), queries)
    print_end(queries, count)


def print_record(record: Query, images: ImageFolderSource) -> None:
    """A line of JSON."""
    named = msgspec.structs.replace(record, stream=images.name)
    print(msgspec.json.encode(named).decode(), flush=True)


def print_end(images: ImageFolderSource, frames: int) -> None:
    """How many pictures of a folder were processed, as streamvpr says it with `--records all`."""
    record = {"type": "stream", "stream": images.name, "state": "ended", "frames": frames}
    print(msgspec.json.encode(record).decode(), flush=True)


def folders_of(options: argparse.Namespace) -> list[Path]:
    """What is to be read."""
    return [options.images] if options.mode == "run" else [options.database, options.query]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    modes = parser.add_subparsers(dest="mode", required=True, metavar="run|match")
    online = modes.add_parser("run", help="each picture against those before it")
    online.add_argument("images", type=folder, metavar="IMAGES")
    online.add_argument("--exclude-recent", type=int, default=30, metavar="N")
    online.add_argument("--min-loop-gap", type=int, default=0, metavar="N")
    offline = modes.add_parser("match", help="each picture of QUERY against all of DATABASE")
    offline.add_argument("database", type=folder, metavar="DATABASE")
    offline.add_argument("query", type=folder, metavar="QUERY")
    for mode in (online, offline):
        add_common(mode)
    return parser.parse_args(arguments)


def add_common(mode: argparse.ArgumentParser) -> None:
    """What both ways take."""
    mode.add_argument("--model", help="a model of streamvpr, by name or path")
    mode.add_argument("--threads", type=int, default=0, help="of the model, 0 for all cores")
    mode.add_argument("--dimension", type=int, default=512, help="of the projection")
    mode.add_argument("--seed", type=int, default=0, help="of the projection")
    mode.add_argument("--sim-threshold", type=float, default=0.75, metavar="COSINE")
    mode.add_argument("--verify-geom", action=argparse.BooleanOptionalAction, default=True)
    mode.add_argument("--features", type=int, default=2000, help="of ORB, a picture")
    mode.add_argument("--ratio", type=float, default=0.8, help="Lowe's")
    mode.add_argument("--reproj-thresh", type=float, default=3.0, metavar="PIXELS")
    mode.add_argument("--min-inliers", type=int, default=20, metavar="N")


def folder(text: str) -> Path:
    """A folder of images: the article reads nothing else."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder of images, and others are not read")
    return path


if __name__ == "__main__":
    sys.exit(main())
