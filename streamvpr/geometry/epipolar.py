"""What two views of a scene with depth have in common: a point there lies on a line here.

Both matrices relate the query x to the match x' by x'^T M x = 0. They bind a match to a line and
not to a place, so a wrong pair keeps many inliers by chance: such a matrix is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.geometry.model_choice import (
    CALIBRATED_DEPTH,
    DEPTH,
    ModelKind,
    log10_false_alarms,
)
from streamvpr.geometry.robust import magsac

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Epipolar

# log10 of the expected number of matrices that chance finds with as many inliers. Of wrong pairs of
# real recordings many came down to -8: repeated shapes are less random than the theory has it.
MOST_FALSE_ALARMS = -15.0


@dataclass(frozen=True, slots=True)
class EpipolarMap:
    """A fundamental or essential matrix and the correspondences that it explains."""

    matrix: Epipolar
    """(3, 3) float64 of norm 1, in the coordinates that were fitted."""
    inliers: NDArray[np.bool_]
    """(M,) which of the correspondences."""


class FundamentalFitter:
    """Fits fundamental matrices. Same points, same seed, same matrix."""

    def __init__(self, reproj_thresh: float, seed: int) -> None:
        """`reproj_thresh`: most distance of an inlier, in pixels of the points given."""
        self._thresh = reproj_thresh
        self._params = magsac(reproj_thresh, seed)

    def fit(self, query: NDArray[np.floating], match: NDArray[np.floating]) -> EpipolarMap | None:
        """The matrix of corresponding points, (M, 2) each; None where chance does as well."""
        try:
            found, _ = cv2.findFundamentalMat(query, match, self._params)
        except cv2.error:
            # Raised on degenerate input.
            return None
        return told_from_chance(found, query, match, self._thresh, DEPTH)


class EssentialFitter:
    """Fits essential matrices to points as pinholes without distortion would have drawn them.

    On wrong pairs the search costs ten times that of a fundamental matrix, and it finds no more
    inliers than that: ask for the fundamental one first.
    """

    def __init__(self, reproj_thresh: float, seed: int) -> None:
        """`reproj_thresh`: most distance of an inlier, in pixels of the points given."""
        self._thresh = reproj_thresh
        self._params = magsac(reproj_thresh, seed)

    def fit(
        self,
        query: NDArray[np.floating],
        match: NDArray[np.floating],
        query_focal: float,
        match_focal: float,
    ) -> EpipolarMap | None:
        """The matrix, for directions; points (M, 2) are directions x/z, y/z times a focal length.

        None where chance does as well.
        """
        lenses = [np.diag([focal, focal, 1.0]) for focal in (query_focal, match_focal)]
        straight = np.zeros(4)
        try:
            found, _ = cv2.findEssentialMat(
                query, match, lenses[0], lenses[1], straight, straight, self._params
            )
        except cv2.error:
            return None
        if found is None or found.shape != (3, 3):
            return None
        matrix = _of_norm_1(found)
        pixels = between_pixels(matrix, query_focal, match_focal)
        explained = told_from_chance(pixels, query, match, self._thresh, CALIBRATED_DEPTH)
        return None if explained is None else EpipolarMap(matrix, explained.inliers)


def told_from_chance(
    matrix: cv2.typing.MatLike | None,
    query: NDArray[np.floating],
    match: NDArray[np.floating],
    thresh: float,
    kind: ModelKind,
) -> EpipolarMap | None:
    """The matrix with its inliers, where wrong matches would hardly have had as many."""
    if matrix is None or matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return None
    known = _of_norm_1(matrix)
    inliers = squared_errors(known, query, match) <= thresh**2
    chance = _chance(match, thresh)
    alarms = log10_false_alarms(int(inliers.sum()), len(inliers), chance, kind)
    if alarms > MOST_FALSE_ALARMS:
        return None
    return EpipolarMap(known, inliers)


def squared_errors(
    matrix: Epipolar, query: NDArray[np.floating], match: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(M,) squared distances, to first order, from each match to the nearest that fits.

    In the four coordinates of both pictures: Sampson's error.
    """
    one = np.ones(len(query))
    left, right = (np.column_stack([points, one]) for points in (query, match))
    lines, back = left @ matrix.T, right @ matrix
    steepness = (lines[:, :2] ** 2).sum(axis=1) + (back[:, :2] ** 2).sum(axis=1)
    apart = (right * lines).sum(axis=1) ** 2
    # On both epipoles at once a match fits whatever it is.
    return np.asarray(apart / np.maximum(steepness, np.finfo(np.float64).tiny), np.float64)


def between_pixels(essential: Epipolar, query_focal: float, match_focal: float) -> Epipolar:
    """What an essential matrix is for directions times focal lengths."""
    return in_source_pixels(essential, query_focal, match_focal)


def in_source_pixels(matrix: Epipolar, query_scale: float, match_scale: float) -> Epipolar:
    """The same fundamental matrix between the source pictures."""
    query = np.array([1 / query_scale, 1 / query_scale, 1.0])
    match = np.array([1 / match_scale, 1 / match_scale, 1.0])
    return _of_norm_1(match[:, None] * matrix * query)


def _chance(points: NDArray[np.floating], thresh: float) -> float:
    """The probability that a random point of where `points` are fits a line, at most.

    Sampson's distance counts both pictures, so the band in one of them is wider by a root of 2.
    """
    width, height = np.ptp(points, axis=0) + 1.0
    return float(2 * np.sqrt(2) * thresh * np.hypot(width, height) / (width * height))


def _of_norm_1(matrix: cv2.typing.MatLike) -> Epipolar:
    """A matrix that is known up to a factor, with the largest number positive."""
    matrix = np.asarray(matrix, np.float64)
    largest = matrix.flat[np.abs(matrix).argmax()]
    length = np.linalg.norm(matrix) * (1 if largest >= 0 else -1)
    return np.asarray(matrix / length if length else matrix, np.float64)
