#!/usr/bin/env python3
"""Learn the parameters of the retrievers that make a descriptor out of local features.

    python tools/fetch_photographs.py photographs
    python tools/train_encoders.py photographs models

Writes vlad.npz, fisher.npz and bow.npz there, learned of SIFT features, and vlad-orb.npz, of ORB
features; those of the pictures of vocabulary_pictures.py. The same seed gives the same bytes, on a
machine with the same libraries. Takes some minutes of one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from threadpoolctl import threadpool_limits
from vocabulary_pictures import pictures

from streamvpr.features import analysis_size, open_extractor
from streamvpr.frames import FeatureKind
from streamvpr.retrieval.encoders import ENCODERS
from streamvpr.retrieval.parameters import write_parameters
from streamvpr.retrieval.unit_vectors import clear_descriptors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.features.base import FeatureExtractor
    from streamvpr.frames import Image

    Pictures = list[NDArray[np.generic]]

FILES = {
    "vlad": ("vlad", FeatureKind.SIFT),
    "fisher": ("fisher", FeatureKind.SIFT),
    "bow": ("bow", FeatureKind.SIFT),
    "vlad-orb": ("vlad", FeatureKind.ORB),
}
"""By the name of the file: the encoder, and the features that it takes."""


def main() -> None:
    """Extract, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, help="where fetch_photographs.py put them")
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--only", choices=FILES, action="append", help="not all of them")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Sums are rounded otherwise on another number of threads.
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        kinds = {FILES[file][1] for file in options.only or FILES}
        described = described_pictures(options.photographs, kinds, options.seed)
        learn(options.folder, options.only or list(FILES), described, options.seed)


def learn(
    folder: Path, files: list[str], described: dict[FeatureKind, Pictures], seed: int
) -> None:
    """Write those of FILES."""
    for file in files:
        name, kind = FILES[file]
        encoder = ENCODERS[name].learn(described[kind], kind, seed, tell)
        path = folder / f"{file}.npz"
        write_parameters(path, encoder.parameters())
        size, count = path.stat().st_size, len(described[kind])
        sys.stderr.write(f"\r{path}: {size:,} bytes, {count} pictures\n")


def described_pictures(
    photographs: Path, kinds: set[FeatureKind], seed: int
) -> dict[FeatureKind, Pictures]:
    """The descriptors of all pictures, by kind."""
    extractors = {kind: open_extractor(kind, closely=True) for kind in kinds}
    found: dict[FeatureKind, Pictures] = {kind: [] for kind in kinds}
    for number, (_, luma) in enumerate(pictures(photographs, seed)):
        tell("pictures", number, 0)
        for kind, extractor in extractors.items():
            found[kind].append(descriptors(extractor, luma))
    return found


def descriptors(extractor: FeatureExtractor, luma: Image) -> NDArray[np.generic]:
    """(N, ...) descriptors of a picture in the size in which a run looks at it."""
    height, width = luma.shape
    size = analysis_size(width, height, extractor.largest_side)
    resized = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return clear_descriptors(extractor.extract(np.asarray(resized, np.uint8), width))


def tell(what: str, done: int, total: int) -> None:
    """Progress on one line of standard error."""
    sys.stderr.write(f"\r{what} {done}" + (f" of {total}" if total else "") + " " * 12)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
