"""SIFT features: ten times as dear as ORB's, and far better on views from another heading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.features.keypoints import BYTES_PER_POSE, poses, telling_first
from streamvpr.frames import FeatureKind, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Image

MOST_FEATURES = 1000
# OpenCV doubles the picture first. With 640 pixels it takes 95 ms of a core instead of 55, and on
# aerial crossings geometry finds no more; words of it know more places of other seasons.
LARGEST_SIDE, CLOSE_SIDE = 480, 640
# A quarter of OpenCV's: fields and dim corridors have no stronger contrasts.
CONTRAST_THRESHOLD = 0.01
# Half of OpenCV's: the words of fainter features are those of noise, which all dim pictures share.
# So many are made into words of any picture.
CLEAR_CONTRAST, LEAST_CLEAR = 0.02, 50
# OpenCV asks this share of a threshold of each blob.
LAYERS = 3
DESCRIPTOR_BYTES = 128
BYTES_PER_FEATURE = DESCRIPTOR_BYTES + 2 * 4 + BYTES_PER_POSE
SMALLEST_PICTURE = 8


class SiftExtractor:
    """SIFT (Lowe, IJCV 2004): blobs with 128 counts of oriented gradients, at their own angle."""

    kind = FeatureKind.SIFT

    def __init__(self, most: int = MOST_FEATURES, *, closely: bool = False) -> None:
        """`most` features of a picture. `closely`: of a larger picture."""
        self.largest_side = CLOSE_SIDE if closely else LARGEST_SIDE
        # One feature more where two orientations of the last blob are equally strong.
        self.most_bytes = most * BYTES_PER_FEATURE
        self._most = most
        self._sift = cv2.SIFT.create(nfeatures=most, contrastThreshold=CONTRAST_THRESHOLD)

    def extract(self, gray: Image, source_width: int) -> Features:
        """Features of a luma image (h, w) uint8 of a source picture of that width in pixels."""
        height, width = gray.shape
        scale = source_width / width
        points = np.empty((0, 2), np.float32)
        descriptors = np.empty((0, DESCRIPTOR_BYTES), np.uint8)
        directed = np.empty((0, BYTES_PER_POSE), np.uint8)
        contrasts = np.empty(0, np.float32)
        if min(height, width) >= SMALLEST_PICTURE:
            keypoints, found = self._sift.detectAndCompute(gray, None)
            if found is not None:
                strongest = np.argsort([-k.response for k in keypoints], kind="stable")
                kept = strongest[: self._most]
                kept = kept[telling_first([keypoints[row] for row in kept])]
                directed = poses(keypoints)[kept]
                contrasts = np.array([keypoints[row].response for row in kept], np.float32)
                analysed = np.asarray(cv2.KeyPoint.convert(list(keypoints)), np.float64)[kept]
                points = ((analysed + 0.5) * scale - 0.5).astype(np.float32)
                descriptors = found[kept].astype(np.uint8)
        return Features(
            points=points,
            descriptors=descriptors,
            scale=scale,
            kind=FeatureKind.SIFT,
            size=(source_width, round(height * scale)),
            poses=directed,
            clear=_clear(contrasts),
        )


def _clear(contrasts: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) which features are clear."""
    least = np.float32(CLEAR_CONTRAST / LAYERS)
    if len(contrasts) > LEAST_CLEAR:
        least = min(least, np.sort(contrasts)[-LEAST_CLEAR])
        return np.asarray(contrasts >= least)
    return np.ones(len(contrasts), bool)
