"""Arrays of places as the bytes that a map file keeps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import StoreError
from streamvpr.frames import FeatureKind, Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor

# Of a picture, in pixels: more than any decoder takes.
LARGEST_SIDE = 2**20

HALF, SINGLE = np.dtype("<f2"), np.dtype("<f4")
# Values of one descriptor, and their type, by kind of features.
FORMS: dict[FeatureKind, tuple[int, np.dtype[Any]]] = {
    FeatureKind.ORB: (32, np.dtype(np.uint8)),
    FeatureKind.SIFT: (128, np.dtype(np.uint8)),
    FeatureKind.XFEAT: (64, HALF),
}

FEATURE_COLUMNS = "kind, scale, width, height, points, descriptors, poses"
FeatureRow = tuple[str, float, int | None, int | None, bytes, bytes, bytes | None]


def real(value: object) -> float | None:
    """A finite number or None, of which SQLite makes no difference between whole and not.

    Raises StoreError for anything else.
    """
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise StoreError(f"{value!r:.40} is no number")
    return float(value)


def whole(value: object) -> int:
    """A size in pixels, 1 or more. Raises StoreError for anything else."""
    if not isinstance(value, int) or not 0 < value < LARGEST_SIDE:
        raise StoreError(f"{value!r:.40} is no size")
    return value


def pack_descriptor(descriptor: Descriptor) -> bytes:
    """(D,) float32 to float16."""
    return descriptor.astype(HALF).tobytes()


def unpack_descriptors(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """(N, D) float32 of length 1. Raises StoreError where one has another size or no direction."""
    if any(type(b) is not bytes or len(b) != dimension * HALF.itemsize for b in blobs):
        raise StoreError(f"a descriptor is not of {dimension} numbers")
    halves = np.frombuffer(b"".join(blobs), HALF).reshape(len(blobs), dimension)
    found = halves.astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", found, found))
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise StoreError("a descriptor has no direction")
    found /= lengths[:, None]
    return found


def pack_features(features: Features) -> FeatureRow:
    """The values of FEATURE_COLUMNS."""
    width, height = features.size or (None, None)
    form = FORMS[features.kind][1]
    return (
        features.kind.value,
        features.scale,
        width,
        height,
        features.points.astype(SINGLE).tobytes(),
        features.descriptors.astype(form).tobytes(),
        None if features.poses is None else features.poses.tobytes(),
    )


def unpack_features(row: FeatureRow) -> Features:
    """Features of the values of FEATURE_COLUMNS. Raises StoreError where they do not fit."""
    kind, scale, width, height, points, descriptors, poses = row
    factor = real(scale)
    try:
        known = FeatureKind(kind)
        values, form = FORMS[known]
        found = Features(
            points=np.frombuffer(points, SINGLE).reshape(-1, 2),
            descriptors=np.frombuffer(descriptors, form).reshape(-1, values),
            scale=factor or 0.0,
            kind=known,
            size=None if width is None or height is None else (whole(width), whole(height)),
            poses=None if poses is None else np.frombuffer(poses, np.uint8).reshape(-1, 2),
        )
    except (ValueError, TypeError) as error:
        raise StoreError(f"local features cannot be read: {error}") from error
    counts = {len(found.points), len(found.descriptors)}
    counts |= set() if found.poses is None else {len(found.poses)}
    within = (np.abs(found.points) <= LARGEST_SIDE).all()
    if len(counts) > 1 or not 1e-6 < found.scale < LARGEST_SIDE or not within:
        raise StoreError("local features do not fit each other")
    return found
