"""ORB features: corners with 256 bits each, found in 5 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.features.keypoints import BYTES_PER_POSE, poses, telling_first
from streamvpr.frames import FeatureKind, Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamvpr.frames import Image

MOST_FEATURES = 1000
# Larger pictures cost more than they find.
LARGEST_SIDE = 640
# From one level of ORB's pyramid to the next, 3.7 times from the first to the last. OpenCV's eight
# levels at 1.2 reach no further, find the same corners more often, and take a fifth more time.
PYRAMID_FACTOR = 1.3
LEVELS = 6
# Corners that differ from their ring by as few grey levels: dim corridors have no stronger ones.
FAST_THRESHOLD = 10
# Where places are proposed by local features too, they are looked at more closely: larger, with one
# level more, so that the coarsest one stays as coarse. Of views from above at other headings two to
# three in a hundred more are recognised; views of other seasons share fewer of the finer corners.
CLOSE_SIDE, CLOSE_LEVELS = 800, 7
DESCRIPTOR_BYTES = 32
BYTES_PER_FEATURE = DESCRIPTOR_BYTES + 2 * 4 + BYTES_PER_POSE


class OrbExtractor:
    """ORB (Rublee et al., ICCV 2011): oriented FAST corners with 256-bit rotated BRIEF."""

    kind = FeatureKind.ORB

    def __init__(self, most: int = MOST_FEATURES, *, closely: bool = False) -> None:
        """`most` features of a picture. `closely`: of a larger picture."""
        self.most_bytes = most * BYTES_PER_FEATURE
        self.largest_side = CLOSE_SIDE if closely else LARGEST_SIDE
        self._orb = cv2.ORB.create(
            nfeatures=most,
            scaleFactor=PYRAMID_FACTOR,
            nlevels=CLOSE_LEVELS if closely else LEVELS,
            fastThreshold=FAST_THRESHOLD,
        )

    def extract(self, gray: Image, source_width: int) -> Features:
        """Features of a luma image (h, w) uint8 of a source picture of that width in pixels."""
        scale = source_width / gray.shape[1]
        try:
            keypoints, found = self._orb.detectAndCompute(gray, None)
        except cv2.error:
            # Raised for pictures smaller than a patch: they have no features.
            keypoints, found = (), None
        descriptors = np.empty((0, DESCRIPTOR_BYTES), np.uint8) if found is None else found
        order = telling_first(keypoints)
        return Features(
            points=_source_points(keypoints, scale)[order],
            descriptors=np.asarray(descriptors, np.uint8)[order],
            scale=scale,
            kind=FeatureKind.ORB,
            size=(source_width, round(gray.shape[0] * scale)),
            poses=poses(keypoints)[order],
        )


def _source_points(keypoints: Sequence[cv2.KeyPoint], scale: float) -> NDArray[np.float32]:
    """(N, 2) positions in source pixels.

    OpenCV scales a pyramid level's corners up by their corner pixel and not by its centre; without
    the half pixels, a view turned around would be off by several source pixels.
    """
    if not keypoints:
        return np.empty((0, 2), np.float32)
    points = np.asarray(cv2.KeyPoint.convert(list(keypoints)), np.float64)
    octaves = np.array([keypoint.octave for keypoint in keypoints])
    centred = points + (PYRAMID_FACTOR ** octaves[:, None] - 1) / 2
    return ((centred + 0.5) * scale - 0.5).astype(np.float32)
