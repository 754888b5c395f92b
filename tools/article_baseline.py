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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from article import (
    Judge,
    View,
    add_options,
    add_past,
    judge_of,
    print_end,
    print_record,
    read_gray,
    run,
)
from PIL import Image

from streamvpr.embedding import open_embedder
from streamvpr.errors import StreamVPRError
from streamvpr.sources import ImageFolderSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streamvpr.embedding import Embedder

# Of two folders every picture may match every other.
ANY_GAP = -sys.maxsize


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
        yield View(describer.describe(rgb), partial(read_gray, frame.path))


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit codes of streamvpr, with a line on stderr where something fails."""
    options = parse(arguments)
    try:
        embedder = open_embedder(options.model, device="cpu", threads=options.threads)
        describer = Describer(embedder, options.dimension, options.seed)
        folders = [ImageFolderSource(folder, name=folder.name) for folder in folders_of(options)]
        if options.mode == "run":
            judge = judge_of(options, options.min_loop_gap)
            run(folders[0].name, views(folders[0], describer), judge, options.exclude_recent)
        else:
            match(folders[0], folders[1], describer, judge_of(options, ANY_GAP))
    except StreamVPRError as error:
        print(f"article_baseline: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"article_baseline: error: {error}", file=sys.stderr)
        return 4
    return 0


def match(
    database: ImageFolderSource, queries: ImageFolderSource, describer: Describer, judge: Judge
) -> None:
    """Each picture of one folder against all of another."""
    known = list(views(database, describer))
    print_end(database.name, len(known))
    count = 0
    for count, view in enumerate(views(queries, describer), 1):
        print_record(judge.judge(count - 1, view, known), queries.name)
    print_end(queries.name, count)


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
    add_past(online)
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
    add_options(mode)


def folder(text: str) -> Path:
    """A folder of images: the article reads nothing else."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder of images, and others are not read")
    return path


if __name__ == "__main__":
    sys.exit(main())
