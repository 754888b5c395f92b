"""How a calibrated camera moved between two views, and what kind of scene says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamvpr.frames import Pose
from streamvpr.geometry import epipolar, homography
from streamvpr.geometry.model_choice import CALIBRATED_DEPTH, PLANE, TURN, gric, noise
from streamvpr.geometry.pose import (
    before_both,
    motion_of_essential,
    motion_of_plane,
    quaternion,
    rotation_between,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features
    from streamvpr.geometry.camera import Camera
    from streamvpr.geometry.pose import Motion

    Matrix = NDArray[np.float64]

# Times that a rotation is fitted anew to the matches that it explains.
REFITS = 3


class Structure(StrEnum):
    """What the matches of two views determine."""

    TURN = "turn"
    """The camera turned where it stood, or all that it saw is far away: no translation."""
    PLANE = "plane"
    """All lies in one plane."""
    DEPTH = "depth"


@dataclass(frozen=True, slots=True)
class Relation:
    """Two views of one calibrated camera."""

    structure: Structure
    inliers: NDArray[np.bool_]
    """(M,) the correspondences that the essential matrix explains."""
    pose: Pose | None
    """None where a plane was seen that two motions explain alike."""


class RelationFinder:
    """Relates pairs of views of one camera. Same features, same seed, same relation."""

    def __init__(
        self, camera: Camera, *, least_matches: int, reproj_thresh: float, seed: int
    ) -> None:
        """`reproj_thresh`: most error of an inlier, in pixels of the analysed size.

        A plane or a turn, which leave no essential matrix where they are exact, is believed with
        `least_matches` inliers.
        """
        self._camera = camera
        self._least = least_matches
        self._thresh = reproj_thresh
        self._fundamental = epipolar.FundamentalFitter(reproj_thresh, seed)
        self._essential = epipolar.EssentialFitter(reproj_thresh, seed)
        self._planes = homography.HomographyFitter(reproj_thresh, seed)

    def relate(self, query: Features, match: Features, rows: NDArray[np.intp]) -> Relation | None:
        """What the features at `rows` (M, 2) say of the camera; None where chance says as much."""
        views = _Views(*self._view(query, rows[:, 0]), *self._view(match, rows[:, 1]))
        seen = np.flatnonzero(np.isfinite(np.column_stack([views.query, views.match])).all(axis=1))
        found = self._relate(views.only(seen))
        if found is None:
            return None
        inliers = np.zeros(len(rows), bool)
        inliers[seen[found.inliers]] = True
        return Relation(found.structure, inliers, found.pose)

    def _view(self, features: Features, rows: NDArray[np.intp]) -> tuple[Matrix, float]:
        """Directions (M, 2) of features, and the focal length in analysed pixels."""
        if features.size is None:
            raise ValueError("a camera is of no use for features of a picture of unknown size")
        camera = self._camera.resized(features.size[0])
        return camera.normalised(features.points[rows]), camera.focal / features.scale

    def _relate(self, views: _Views) -> Relation | None:
        if len(views.query) == 0:
            return None
        depth, plane = self._depth(views), self._plane(views)
        if depth is not None:
            told = depth.inliers
        elif plane is not None and plane.inliers.sum() >= self._least:
            told = plane.inliers
        else:
            return None
        rotation = self._rotation(views, told)
        structure = self._structure(views, depth, plane, rotation)
        if structure is Structure.TURN:
            return Relation(structure, told, Pose(quaternion(rotation), None))
        if structure is Structure.PLANE and plane is not None:
            between = views.between_directions(plane.matrix)
            motion = motion_of_plane(between, *views.directions(plane.inliers))
            return Relation(structure, told, _pose(motion))
        return None if depth is None else _deep(views, depth)

    def _depth(self, views: _Views) -> epipolar.EpipolarMap | None:
        """The essential matrix. The search for one is dear where there is none."""
        if self._fundamental.fit(*views.points) is None:
            return None
        return self._essential.fit(*views.points, views.query_focal, views.match_focal)

    def _plane(self, views: _Views) -> homography.PlaneMap | None:
        query, match = views.points
        return self._planes.fit(query.astype(np.float32), match.astype(np.float32))

    def _rotation(self, views: _Views, inliers: NDArray[np.bool_]) -> Matrix:
        """The rotation that explains most of the inliers by itself, as refitting finds it."""
        chosen = inliers
        rotation = rotation_between(*views.directions(chosen))
        for _ in range(REFITS):
            errors = homography.squared_errors(views.between_pixels(rotation), *views.points)
            chosen = inliers & (errors <= self._thresh**2)
            if chosen.sum() < TURN.sample:
                break
            rotation = rotation_between(*views.directions(chosen))
        return rotation

    def _structure(
        self,
        views: _Views,
        depth: epipolar.EpipolarMap | None,
        plane: homography.PlaneMap | None,
        rotation: Matrix,
    ) -> Structure:
        """The structure of the lowest GRIC, among the matches that any of the models explains."""
        told = np.logical_or.reduce(
            [found.inliers for found in (depth, plane) if found is not None]
        )
        query, match = (side[told] for side in views.points)
        sigma = noise(self._thresh)
        turned = homography.squared_errors(views.between_pixels(rotation), query, match)
        costs = {Structure.TURN: gric(turned, sigma, TURN)}
        if plane is not None:
            flat = homography.squared_errors(plane.matrix, query, match)
            costs[Structure.PLANE] = gric(flat, sigma, PLANE)
        if depth is not None:
            pixels = epipolar.between_pixels(depth.matrix, views.query_focal, views.match_focal)
            deep = epipolar.squared_errors(pixels, query, match)
            costs[Structure.DEPTH] = gric(deep, sigma, CALIBRATED_DEPTH)
        return min(costs, key=lambda structure: costs[structure])


def _deep(views: _Views, depth: epipolar.EpipolarMap) -> Relation | None:
    """The motion of an essential matrix; None where its inliers are not before both cameras."""
    motion = motion_of_essential(depth.matrix, *views.directions(depth.inliers))
    if motion is None:
        return None
    inliers = depth.inliers.copy()
    inliers[inliers] = before_both(motion, *views.directions(depth.inliers))
    return Relation(Structure.DEPTH, inliers, _pose(motion))


class _Views(NamedTuple):
    """Matches of two views as directions x/z, y/z, and the focal lengths in analysed pixels."""

    query: Matrix
    query_focal: float
    match: Matrix
    match_focal: float

    @property
    def points(self) -> tuple[Matrix, Matrix]:
        """(M, 2) each: pixels of the analysed size, as a lens without distortion would draw them.

        The middle of the picture is (0, 0).
        """
        return self.query * self.query_focal, self.match * self.match_focal

    def directions(self, chosen: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
        return self.query[chosen], self.match[chosen]

    def only(self, rows: NDArray[np.intp]) -> _Views:
        return self._replace(query=self.query[rows], match=self.match[rows])

    def between_pixels(self, matrix: Matrix) -> Matrix:
        """A map of directions as one of pixels."""
        there = np.array([self.match_focal, self.match_focal, 1.0])
        back = np.array([self.query_focal, self.query_focal, 1.0])
        return np.asarray(there[:, None] * matrix / back, np.float64)

    def between_directions(self, matrix: Matrix) -> Matrix:
        """A map of pixels as one of directions."""
        there = np.array([self.match_focal, self.match_focal, 1.0])
        back = np.array([self.query_focal, self.query_focal, 1.0])
        return np.asarray(matrix * back / there[:, None], np.float64)


def _pose(motion: Motion | None) -> Pose | None:
    if motion is None:
        return None
    x, y, z = (float(value) for value in motion.translation)
    return Pose(quaternion(motion.rotation), (x, y, z))
