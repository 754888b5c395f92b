"""Whether geometry is verified, and what a place costs."""

from __future__ import annotations

from functools import partial

import numpy as np

from streamvpr.config import RunOptions
from streamvpr.doctor.checks import Check, Finding, attempt
from streamvpr.embedding import find_model
from streamvpr.embedding.card import read_card
from streamvpr.embedding.proof import textured_picture
from streamvpr.errors import ModelError
from streamvpr.features import open_extractor
from streamvpr.geometry import Verifier

WIDTH, HEIGHT = 640, 480
# Pixels, down and to the right.
SHIFT = (12, 20)


def check(model: str | None) -> list[Check]:
    """Features of pictures, and the memory that they and descriptors of the model take."""
    return [attempt("geometry", _geometry), attempt("memory", partial(_memory, model))]


def _geometry() -> Finding:
    gray = np.ascontiguousarray(textured_picture(WIDTH, HEIGHT)[..., 0])
    shifted = np.ascontiguousarray(np.roll(gray, SHIFT, (0, 1)))
    extractor = open_extractor()
    here, there = extractor.extract(gray, WIDTH), extractor.extract(shifted, WIDTH)
    found = Verifier().verify(here, there)
    least = RunOptions().min_inliers
    if found.inliers < least:
        raise ModelError(f"a shifted picture gave {found.inliers} inliers, fewer than {least}")
    return Finding(
        f"ORB and MAGSAC found {found.inliers} inliers of {found.matches} matches",
        {"inliers": found.inliers, "matches": found.matches},
    )


def _memory(model: str | None) -> Finding:
    dimension, capacity = read_card(find_model(model)).dimension, RunOptions().capacity
    descriptor, features = dimension * 4, open_extractor().most_bytes
    place = descriptor + features
    values = {
        "dimension": dimension,
        "place_bytes": place,
        "capacity": capacity,
        "stream_bytes": place * capacity,
    }
    return Finding(
        f"a place takes up to {place:,} bytes ({descriptor:,} for {dimension} dimensions, "
        f"{features:,} for local features); --capacity {capacity} is at most "
        f"{place * capacity / 1e6:,.0f} MB a stream, thumbnails with --output-dir on top",
        values,
    )
