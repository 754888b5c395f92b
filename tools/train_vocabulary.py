#!/usr/bin/env python3
"""Train the vocabulary that ships, from the pictures of vocabulary_pictures.py.

    python tools/fetch_photographs.py photographs
    python tools/train_vocabulary.py photographs models/orb-vocabulary.npz

The same bytes each time with the same versions of NumPy and OpenCV. Prints what the
file holds, as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from vocabulary_pictures import pictures

from streamvpr.errors import StreamVPRError
from streamvpr.features import OrbExtractor, analysis_size
from streamvpr.retrieval.tree_training import train_tree
from streamvpr.retrieval.vocabulary_file import describe_vocabulary, write_vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Image


def main(arguments: list[str] | None = None) -> int:
    """Find, train, write; 1 with a line on stderr when something fails."""
    options = parse(arguments)
    try:
        found = [descriptors_of(luma) for _, luma in pictures(options.photographs, options.seed)]
        numbers = np.repeat(np.arange(len(found)), [len(part) for part in found])
        print(f"{len(numbers)} descriptors of {len(found)} pictures", file=sys.stderr)
        tree = train_tree(
            np.concatenate(found),
            numbers,
            branching=options.branching,
            levels=options.levels,
            seed=options.seed,
        )
        write_vocabulary(tree, options.output)
        print(json.dumps(describe_vocabulary(options.output).as_json()))
    except (OSError, ValueError, StreamVPRError) as error:
        print(f"train_vocabulary: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="where fetch_photographs.py put them")
    parser.add_argument("output", type=Path, help="a name that ends in .npz or .txt")
    parser.add_argument("--branching", type=int, default=10, metavar="K")
    parser.add_argument("--levels", type=int, default=5, metavar="L")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def descriptors_of(luma: Image) -> NDArray[np.uint8]:
    """(N, 32) ORB descriptors of a picture, in the size in which a run would look at it."""
    height, width = luma.shape
    extractor = OrbExtractor()
    size = analysis_size(width, height, extractor.largest_side)
    seen = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(extractor.extract(seen, width).descriptors, np.uint8)


if __name__ == "__main__":
    raise SystemExit(main())
