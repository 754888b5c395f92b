#!/usr/bin/env python3
"""Learn the parameters of the retrievers that make a descriptor out of local features.

    python tools/train_encoders.py models

Writes vlad.npz, fisher.npz and bow.npz there, learned of SIFT features of the pictures of
vocabulary_pictures.py, which needs scikit-image. The same seed gives the same bytes, on a machine
with the same libraries. Takes some minutes of one core, and less than 1 GB.
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.features.base import FeatureExtractor
    from streamvpr.frames import Image

KINDS = (FeatureKind.SIFT, FeatureKind.ORB)


def main() -> None:
    """Extract, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--kind", choices=KINDS, type=FeatureKind, default=FeatureKind.SIFT)
    parser.add_argument("--only", choices=sorted(ENCODERS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Sums are rounded otherwise on another number of threads.
    cv2.setNumThreads(1)
    with threadpool_limits(1):
        learn(options.folder, options.only or list(ENCODERS), options.kind, options.seed)


def learn(folder: Path, names: list[str], kind: FeatureKind, seed: int) -> None:
    """Write the files of those encoders."""
    extractor = open_extractor(kind)
    described = []
    for number, (_, luma) in enumerate(pictures(seed)):
        tell("pictures", number, 0)
        described.append(descriptors(extractor, luma))
    for name in names:
        encoder = ENCODERS[name].learn(described, kind, seed, tell)
        path = folder / f"{name}.npz"
        write_parameters(path, encoder.parameters())
        sys.stderr.write(f"\r{path}: {path.stat().st_size:,} bytes, {len(described)} pictures\n")


def descriptors(extractor: FeatureExtractor, luma: Image) -> NDArray[np.generic]:
    """(N, ...) descriptors of a picture in the size in which a run looks at it."""
    height, width = luma.shape
    size = analysis_size(width, height, extractor.largest_side)
    resized = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    return extractor.extract(np.asarray(resized, np.uint8), width).descriptors


def tell(what: str, done: int, total: int) -> None:
    """Progress on one line of standard error."""
    sys.stderr.write(f"\r{what} {done}" + (f" of {total}" if total else "") + " " * 12)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
