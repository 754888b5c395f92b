"""Pictures full of corners, and the same seen from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from streamvpr.frames import Image

WIDTH, HEIGHT = 960, 720
# Inliers that unrelated ones stay below.
UNRELATED = 15
TILT = np.array([[1, 0.03, -10], [0.01, 1, 4], [4e-5, 1e-5, 1]], np.float64)


def texture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Blocks of many sizes, slightly blurred: corners everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for cell in (12, 30, 80):
        coarse = rng.integers(0, 256, (height // cell + 1, width // cell + 1)).astype(np.float32)
        picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.GaussianBlur(picture / 3, (0, 0), 1.0).astype(np.uint8)


def half(picture: Image) -> Image:
    size = (picture.shape[1] // 2, picture.shape[0] // 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def about_the_middle(degrees: float, scale: float) -> np.ndarray:
    turn = cv2.getRotationMatrix2D((WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5), degrees, scale)
    return np.vstack([turn, [0, 0, 1]])


def warped(picture: Image, homography: np.ndarray) -> Image:
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpPerspective(picture, homography, size), np.uint8)


def most_error(found: np.ndarray | None, true: np.ndarray) -> float:
    """Largest distance, in source pixels, between where the maps send the middle of a picture."""
    assert found is not None
    grid = np.mgrid[WIDTH // 4 : 3 * WIDTH // 4 : 60, HEIGHT // 4 : 3 * HEIGHT // 4 : 60]
    points = grid.reshape(2, -1).T.astype(np.float64)[None]
    apart = cv2.perspectiveTransform(points, found) - cv2.perspectiveTransform(points, true)
    return float(np.linalg.norm(apart, axis=2).max())


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
