"""Made-up scenes seen twice by a camera whose motion is known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamvpr.frames import Features
from streamvpr.geometry import Camera

CAMERA = Camera(1280, 960, 1100.0, 1080.0, 650.0, 470.0)
SIDEWAYS = (0.9, -0.1, 0.4)
TURN = (0.05, 0.2, -0.03)


def rotation(vector: tuple[float, float, float]) -> np.ndarray:
    """(3, 3) of an axis times its angle."""
    return np.asarray(cv2.Rodrigues(np.array(vector, np.float64))[0])


def scene(count: int = 300, seed: int = 0) -> np.ndarray:
    """(N, 3) points before a camera, near and far."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(4, 12, count)
    return np.column_stack([rng.uniform(-0.45, 0.45, (count, 2)) * depth[:, None], depth])


def wall(count: int = 300, seed: int = 0) -> np.ndarray:
    """(N, 3) points of one slanted plane."""
    points = scene(count, seed)
    points[:, 2] = 6.0
    return points * (6.0 / (6.0 - 0.35 * points[:, :1] - 0.1 * points[:, 1:2]))


@dataclass(frozen=True)
class TwoViews:
    """Corresponding pixels of a query and a match picture, and which are right."""

    query: np.ndarray
    match: np.ndarray
    right: np.ndarray
    """(N,) bool."""

    def features(
        self, query: Camera = CAMERA, match: Camera = CAMERA, scale: float = 2.0
    ) -> tuple[Features, Features]:
        """Each with descriptors that match in order; `scale` source pixels per analysed one."""
        bits = np.random.default_rng(99).integers(0, 256, (len(self.query), 32), dtype=np.uint8)
        return tuple(  # type: ignore[return-value]
            Features(points.astype(np.float32), bits, scale, size=(camera.width, camera.height))
            for points, camera in ((self.query, query), (self.match, match))
        )


def seen_twice(
    points: np.ndarray,
    turn: tuple[float, float, float] = TURN,
    shift: tuple[float, float, float] = SIDEWAYS,
    *,
    query: Camera = CAMERA,
    match: Camera = CAMERA,
    noise: float = 0.5,
    wrong: float = 0.0,
    seed: int = 1,
) -> TwoViews:
    """`points` as X before the query camera and R X + t before the match camera.

    `noise` in pixels; a share `wrong` of the matches leads anywhere in the match picture.
    """
    rng = np.random.default_rng(seed)
    moved = points @ rotation(turn).T + np.array(shift)
    assert moved[:, 2].min() > 0.5
    left, right = (
        camera.pixels(seen[:, :2] / seen[:, 2:])
        for camera, seen in ((query, points), (match, moved))
    )
    inside = np.ones(len(points), bool)
    for camera, pixels in ((query, left), (match, right)):
        inside &= ((pixels > 0) & (pixels < [camera.width, camera.height])).all(axis=1)
    left, right = (p[inside] + rng.normal(0, noise, (inside.sum(), 2)) for p in (left, right))
    lost = rng.random(len(left)) < wrong
    right[lost] = rng.uniform(0, [match.width, match.height], (int(lost.sum()), 2))
    return TwoViews(left, right, ~lost)


def turned_back(quaternion: tuple[float, ...]) -> np.ndarray:
    """(3, 3) of x, y, z, w, written out from the definition."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def degrees_apart(one: np.ndarray, other: np.ndarray) -> float:
    """Angle of the rotation between two rotation matrices."""
    cosine = (np.trace(one @ other.T) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def degrees_between(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Angle between two vectors."""
    a, b = np.array(one), np.array(other)
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))
