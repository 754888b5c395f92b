"""Arrays of places as the bytes that a map file keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import StoreError
from streamvpr.frames import FeatureKind, Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Descriptor

HALF, SINGLE = np.dtype("<f2"), np.dtype("<f4")
# Values of one descriptor, and their type, by kind of features.
FORMS: dict[FeatureKind, tuple[int, np.dtype[Any]]] = {
    FeatureKind.ORB: (32, np.dtype(np.uint8)),
    FeatureKind.SIFT: (128, np.dtype(np.uint8)),
    FeatureKind.XFEAT: (64, HALF),
}

FEATURE_COLUMNS = "kind, scale, width, height, points, descriptors, poses"
FeatureRow = tuple[str, float, int | None, int | None, bytes, bytes, bytes | None]


def pack_descriptor(descriptor: Descriptor) -> bytes:
    """(D,) float32 to float16."""
    return descriptor.astype(HALF).tobytes()


def unpack_descriptors(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """(N, D) float32 of length 1. Raises StoreError where one has another size or no direction."""
    if any(len(blob) != dimension * HALF.itemsize for blob in blobs):
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
    try:
        known = FeatureKind(kind)
        values, form = FORMS[known]
        found = Features(
            points=np.frombuffer(points, SINGLE).reshape(-1, 2),
            descriptors=np.frombuffer(descriptors, form).reshape(-1, values),
            scale=scale,
            kind=known,
            size=None if width is None or height is None else (width, height),
            poses=None if poses is None else np.frombuffer(poses, np.uint8).reshape(-1, 2),
        )
    except ValueError as error:
        raise StoreError(f"local features cannot be read: {error}") from error
    counts = {len(found.points), len(found.descriptors)}
    counts |= set() if found.poses is None else {len(found.poses)}
    if len(counts) > 1 or not scale > 0 or not np.isfinite(found.points).all():
        raise StoreError("local features do not fit each other")
    return found
