"""The plane map between two views: robustly fitted, and refused where it is no second view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.geometry.robust import magsac

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Homography

# A homography that mirrors, or magnifies an area by more than this or less than its inverse, is
# no second view of a place but a collapse onto a few points.
MOST_MAGNIFICATION = 25.0


@dataclass(frozen=True, slots=True)
class PlaneMap:
    """A homography and the correspondences that it explains."""

    matrix: Homography
    """(3, 3) float64, query to match, in the pixels that were fitted."""
    inliers: NDArray[np.bool_]
    """(M,) which of the correspondences."""


class HomographyFitter:
    """Fits homographies. Same points, same seed, same map.

    MAGSAC rejects a wrong pair in 0.7 ms where RANSAC takes 35.
    """

    def __init__(self, reproj_thresh: float, seed: int) -> None:
        """`reproj_thresh`: most reprojection error of an inlier, in pixels of the points given."""
        self._params = magsac(reproj_thresh, seed)

    def fit(self, query: NDArray[np.float32], match: NDArray[np.float32]) -> PlaneMap | None:
        """The map of corresponding points, (M, 2) each; None where no second view explains them."""
        try:
            found, mask = cv2.findHomography(query, match, self._params)
        except cv2.error:
            # USAC raises on degenerate input (all points on a line, say): no homography.
            return None
        if found is None or not _is_a_view(found, query):
            return None
        return PlaneMap(np.asarray(found, np.float64), mask.ravel().astype(bool))


def in_source_pixels(
    homography: Homography, query_scale: float, match_scale: float
) -> Homography | None:
    """The same map between the source pictures; None where it cannot be written with h33 = 1."""
    scaled = np.diag([match_scale, match_scale, 1.0]) @ homography
    scaled = scaled @ np.diag([1 / query_scale, 1 / query_scale, 1.0])
    if abs(scaled[2, 2]) < np.finfo(np.float64).eps:
        return None
    return np.asarray(scaled / scaled[2, 2], np.float64)


def _is_a_view(homography: cv2.typing.MatLike, points: NDArray[np.float32]) -> bool:
    """Whether the map keeps its orientation and magnifies within reason around `points`."""
    if not np.isfinite(homography).all():
        return False
    centre = np.append(points.mean(axis=0), 1.0)
    depth = float(homography[2] @ centre)
    if depth == 0:
        return False
    magnification = float(np.linalg.det(homography)) / depth**3
    return 1 / MOST_MAGNIFICATION < magnification < MOST_MAGNIFICATION


def squared_errors(
    homography: Homography, query: NDArray[np.floating], match: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(M,) squared distances, to first order, from each match to the nearest that the map allows.

    In the four coordinates of both pictures: Sampson's error. Infinite where a point is sent to
    infinity.
    """
    points = np.column_stack([query, np.ones(len(query))]).astype(np.float64)
    sent = points @ homography.T
    with np.errstate(all="ignore"):
        mapped = sent[:, :2] / sent[:, 2:]
        # (M, 2, 2): how the image of a point moves with it.
        slopes = homography[None, :2, :2] - mapped[:, :, None] * homography[None, 2:, :2]
        slopes /= sent[:, 2, None, None]
        apart = match - mapped
        spread = np.eye(2) + slopes @ slopes.transpose(0, 2, 1)
        a, b, c = spread[:, 0, 0], spread[:, 0, 1], spread[:, 1, 1]
        x, y = apart.T
        found = (c * x * x - 2 * b * x * y + a * y * y) / (a * c - b * b)
    return np.where(np.isfinite(found), found, np.inf)
