"""What OpenCV's key points say besides where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import cv2
    from numpy.typing import NDArray

TURN = 256
PER_OCTAVE = 8
BYTES_PER_POSE = 2


def telling_first(keypoints: Sequence[cv2.KeyPoint]) -> NDArray[np.intp]:
    """(N,) their rows, so that any number of first ones holds the strongest share of each octave.

    Strengths of different octaves don't compare, and those of one octave alone know no other
    distance.
    """
    octaves = np.array([keypoint.octave & 0xFF for keypoint in keypoints], np.intp)
    strengths = np.array([keypoint.response for keypoint in keypoints])
    by_octave = np.lexsort((-strengths, octaves))
    counts = np.bincount(octaves) if len(octaves) else octaves
    begins = np.cumsum(counts) - counts
    own = octaves[by_octave]
    share = (np.arange(len(own)) - begins[own] + 1) / counts[own]
    return by_octave[np.argsort(share, kind="stable")]


def poses(keypoints: Sequence[cv2.KeyPoint]) -> NDArray[np.uint8]:
    """(N, 2) directions in 1/256 turns and sizes in 1/8 octaves, as `Features` keeps them."""
    angles = np.array([keypoint.angle for keypoint in keypoints], np.float64)
    sizes = np.array([keypoint.size for keypoint in keypoints], np.float64)
    turns = np.rint(angles * (TURN / 360)) % TURN
    octaves = np.clip(np.rint(np.log2(np.maximum(sizes, 1)) * PER_OCTAVE), 0, 255)
    return np.column_stack([turns, octaves]).astype(np.uint8)
