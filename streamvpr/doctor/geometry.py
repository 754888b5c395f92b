"""Whether geometry is verified, and what a place costs."""

from __future__ import annotations

from functools import partial

import numpy as np

from streamvpr.config import RunOptions
from streamvpr.descriptor_ring import FEW, DescriptorRing
from streamvpr.doctor.checks import Check, Finding, attempt
from streamvpr.embedding import find_model
from streamvpr.embedding.card import read_card
from streamvpr.embedding.proof import textured_picture
from streamvpr.errors import ModelError
from streamvpr.features import open_extractor
from streamvpr.frames import FeatureKind
from streamvpr.geometry import Verifier
from streamvpr.keyframes import THUMBNAIL_BYTES

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
    descriptor = DescriptorRing(capacity, dimension).bytes_each
    features = {kind.value: open_extractor(kind).most_bytes for kind in FeatureKind}
    usual = features[RunOptions().feature_kind().value]
    place = descriptor + usual
    values = {
        "dimension": dimension,
        "descriptor_bytes": descriptor,
        "code_bytes": DescriptorRing(FEW + 1, dimension).bytes_each - dimension * 4,
        "feature_bytes": features,
        "place_bytes": place,
        "thumbnail_bytes": THUMBNAIL_BYTES,
        "capacity": capacity,
        "stream_bytes": place * capacity,
    }
    each = ", ".join(f"{kind} {most:,}" for kind, most in features.items())
    return Finding(
        f"a place takes up to {place:,} bytes (descriptor {descriptor:,}, features: {each}), "
        f"{place * capacity / 1e6:,.0f} MB a stream by --capacity {capacity}; its picture "
        f"(--output-dir, --serve) {THUMBNAIL_BYTES:,}",
        values,
    )
