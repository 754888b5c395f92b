"""XFeat: points and their looks out of a small network, which know a place through snow and sun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.embedding.feature_network import CELL, MULTIPLE_OF
from streamvpr.frames import FeatureKind, Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.embedding.feature_network import FeatureNetwork
    from streamvpr.frames import Image

    Numbers = NDArray[np.float32]

MODEL = "xfeat"
"""The name of the model that is bundled."""
MOST_FEATURES = 1000
LARGEST_SIDE = 640
# Probability from which on a pixel is a point, as its authors have it.
LEAST_PROBABILITY = 0.05
# Of two points in a square of so many pixels a side the likelier one stays.
NEIGHBOURHOOD = 5
BYTES_PER_NUMBER, BYTES_PER_POINT = 2, 2 * 4


class XFeatExtractor:
    """XFeat (Potje et al., CVPR 2024): points of a network's heat map, 64 numbers each.

    Descriptors are float16: rounding moves a cosine by less than 0.001, and they take half the
    memory. As the network was trained, points lie a third of an analysed pixel to the right of what
    they mark (seen on mirrored pictures); two pictures of a place share that.
    """

    kind = FeatureKind.XFEAT
    largest_side = LARGEST_SIDE

    def __init__(self, network: FeatureNetwork, most: int = MOST_FEATURES) -> None:
        self.most_bytes = most * (network.card.dimension * BYTES_PER_NUMBER + BYTES_PER_POINT)
        self._network = network
        self._most = most

    def extract(self, gray: Image, source_width: int) -> Features:
        """Features of a luma image (h, w) uint8 of a source picture of that width in pixels.

        The most reliable ones first. Raises ModelError.
        """
        scale = source_width / gray.shape[1]
        points, descriptors = self._find(gray)
        return Features(
            points=((points + 0.5) * scale - 0.5).astype(np.float32),
            descriptors=descriptors.astype(np.float16),
            scale=scale,
            kind=FeatureKind.XFEAT,
            size=(source_width, round(gray.shape[0] * scale)),
        )

    def _find(self, gray: Image) -> tuple[Numbers, Numbers]:
        """Points (N, 2) in pixels of `gray`, and their descriptors (N, D) of length 1."""
        height, width = gray.shape
        if min(height, width) < MULTIPLE_OF:
            # Smaller than what its coarsest maps see as one: nothing to tell places apart by.
            return np.empty((0, 2), np.float32), np.empty(
                (0, self._network.card.dimension), np.float32
            )
        maps = self._network.maps(_padded(gray))
        keypoints = maps.keypoints[:height, :width]
        rows, columns = _peaks(keypoints)
        points = np.stack([columns, rows], axis=1).astype(np.float32)
        likely = keypoints[rows, columns] * _sampled(maps.reliability[None], points)[:, 0]
        best = np.argsort(-likely, kind="stable")[: self._most]
        descriptors = _sampled(maps.descriptors, points[best])
        return points[best], descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)


def _padded(gray: Image) -> Image:
    """The picture with its last row and column repeated, up to sides that the network takes.

    Stretching it instead would blur it, and move every point.
    """
    bottom, right = (-side % MULTIPLE_OF for side in gray.shape)
    padded = cv2.copyMakeBorder(gray, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _peaks(keypoints: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that are points, and likelier ones than all around them."""
    around = cv2.dilate(keypoints, np.ones((NEIGHBOURHOOD, NEIGHBOURHOOD), np.uint8))
    rows, columns = np.nonzero((keypoints == around) & (keypoints > LEAST_PROBABILITY))
    return rows, columns


def _sampled(maps: Numbers, points: Numbers) -> Numbers:
    """(N, C) of maps (C, h, w) at points (N, 2) in pixels, bilinear between the cells' middles."""
    channels, height, width = maps.shape
    cells = (points + 0.5) / CELL - 0.5
    cells = np.clip(cells, 0, np.array([width - 1, height - 1], np.float32))
    first = np.minimum(cells.astype(np.intp), [width - 2, height - 2])
    right, down = (cells - first).T.astype(np.float32)[:, :, None]
    table = maps.reshape(channels, -1).T
    corner = first[:, 1] * width + first[:, 0]
    above = table[corner] * (1 - right) + table[corner + 1] * right
    below = table[corner + width] * (1 - right) + table[corner + width + 1] * right
    sampled: Numbers = above * (1 - down) + below * down
    return sampled
