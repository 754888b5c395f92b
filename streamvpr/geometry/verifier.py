"""Whether geometry says that two keyframes show the same place."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from streamvpr.errors import ConfigError
from streamvpr.frames import GeometryModel, Verification
from streamvpr.geometry import epipolar, homography
from streamvpr.geometry.correspondence import LEAST_MATCHES, mutual_matches
from streamvpr.geometry.glimpse import STRONGEST, STRONGEST_CLOSELY, Glimpse, glance
from streamvpr.geometry.model_choice import DEPTH, PLANE, gric, noise
from streamvpr.geometry.overlap import view_overlap
from streamvpr.geometry.relative import RelationFinder, Structure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamvpr.frames import Epipolar, Features, Homography, Pose
    from streamvpr.geometry.camera import Camera
    from streamvpr.geometry.epipolar import EpipolarMap
    from streamvpr.geometry.homography import PlaneMap
    from streamvpr.geometry.relative import Relation


class Geometry(StrEnum):
    """Which model of two views is fitted."""

    HOMOGRAPHY = "homography"
    FUNDAMENTAL = "fundamental"
    ESSENTIAL = "essential"
    AUTO = "auto"
    """The homography, unless the scene has depth: then what the camera allows of the others."""


class Verifier:
    """Mutual nearest neighbours with Lowe's ratio; then the model that explains most of them.

    Same features, same seed, same result.
    """

    def __init__(
        self,
        *,
        least_matches: int = LEAST_MATCHES,
        reproj_thresh: float = 3.0,
        seed: int = 0,
        geometry: Geometry = Geometry.HOMOGRAPHY,
        camera: Camera | None = None,
        closely: bool = False,
    ) -> None:
        """`reproj_thresh`: most reprojection error of an inlier, in pixels of the analysed size.

        Pairs with fewer than `least_matches` matches are not tried: they have no inliers. With a
        `camera`, which took both pictures, there is a pose. `closely`: features are those of larger
        pictures, and more of them are glanced at. Raises ConfigError for the essential matrix
        without a camera.
        """
        if geometry is Geometry.ESSENTIAL and camera is None:
            raise ConfigError(
                "--geometry essential needs the calibration of a camera: --camera FILE"
            )
        self.least_matches = max(LEAST_MATCHES, least_matches)
        self._geometry = geometry
        self._strongest = STRONGEST_CLOSELY if closely else STRONGEST
        self._thresh = reproj_thresh
        self._planes = homography.HomographyFitter(reproj_thresh, seed)
        self._lines = epipolar.FundamentalFitter(reproj_thresh, seed)
        self._relations = (
            None
            if camera is None
            else RelationFinder(
                camera, least_matches=self.least_matches, reproj_thresh=reproj_thresh, seed=seed
            )
        )

    def glance(self, query: Features, match: Features) -> Glimpse:
        """What the strongest features alone say, for a sixth of what `verify` costs."""
        return glance(query, match, self._strongest)

    def verify(self, query: Features, match: Features) -> Verification:
        """Match two keyframes and count the inliers of the model that describes them."""
        rows = mutual_matches(query, match)
        if len(rows) < self.least_matches:
            return Verification(matches=len(rows), inliers=0)
        pair = _Pair(query, match, rows)
        plane = relation = lines = None
        if self._geometry in (Geometry.HOMOGRAPHY, Geometry.AUTO):
            plane = self._planes.fit(*pair.analysed)
        if self._relations is not None and self._may_have_a_pose(plane):
            relation = self._relations.relate(query, match, rows)
        elif self._geometry in (Geometry.FUNDAMENTAL, Geometry.AUTO):
            lines = self._lines.fit(*pair.analysed)
        return self._chosen(pair, plane, lines, relation)

    def _may_have_a_pose(self, plane: PlaneMap | None) -> bool:
        """Where homographies alone count, the pose is sought of pairs that have enough inliers."""
        if self._geometry is not Geometry.HOMOGRAPHY:
            return self._geometry is not Geometry.FUNDAMENTAL
        return plane is not None and int(plane.inliers.sum()) >= self.least_matches

    def _chosen(
        self,
        pair: _Pair,
        plane: PlaneMap | None,
        lines: EpipolarMap | None,
        relation: Relation | None,
    ) -> Verification:
        """The model that describes the pair, of those that were found."""
        pose = None if relation is None else relation.pose
        if self._geometry is Geometry.AUTO:
            deep = relation is not None and _has_depth(relation, plane)
            if deep or (lines is not None and self._is_better(lines, plane, pair)):
                plane = None
        if plane is not None:
            return pair.explained(
                GeometryModel.HOMOGRAPHY,
                plane.inliers,
                homography=homography.in_source_pixels(
                    plane.matrix, pair.query.scale, pair.match.scale
                ),
                pose=pose,
            )
        if relation is not None and self._geometry is not Geometry.HOMOGRAPHY:
            return pair.explained(GeometryModel.ESSENTIAL, relation.inliers, pose=pose)
        if lines is not None:
            matrix = epipolar.in_source_pixels(lines.matrix, pair.query.scale, pair.match.scale)
            return pair.explained(GeometryModel.FUNDAMENTAL, lines.inliers, fundamental=matrix)
        return Verification(matches=len(pair.rows), inliers=0)

    def _is_better(self, lines: EpipolarMap, plane: PlaneMap | None, pair: _Pair) -> bool:
        """Whether the fundamental matrix describes the pair better than the homography does."""
        if plane is None:
            return True
        if lines.inliers.sum() < plane.inliers.sum():
            return False
        told = lines.inliers | plane.inliers
        query, match = (points[told] for points in pair.analysed)
        sigma = noise(self._thresh)
        flat = gric(homography.squared_errors(plane.matrix, query, match), sigma, PLANE)
        deep = gric(epipolar.squared_errors(lines.matrix, query, match), sigma, DEPTH)
        return deep < flat


def _has_depth(relation: Relation, plane: PlaneMap | None) -> bool:
    """Whether a calibrated pair is better told by the essential matrix than by the homography."""
    if plane is None:
        return True
    if relation.inliers.sum() < plane.inliers.sum():
        return False
    return relation.structure is Structure.DEPTH


class _Pair(NamedTuple):
    """Two keyframes and the rows (M, 2) of their features that correspond."""

    query: Features
    match: Features
    rows: NDArray[np.intp]

    @property
    def analysed(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(M, 2) each: the points in pixels of the analysed size."""
        query, match = self.source
        return query / self.query.scale, match / self.match.scale

    @property
    def source(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(M, 2) each: the points in source pixels."""
        return self.query.points[self.rows[:, 0]], self.match.points[self.rows[:, 1]]

    def explained(
        self,
        model: GeometryModel,
        inliers: NDArray[np.bool_],
        *,
        homography: Homography | None = None,
        fundamental: Epipolar | None = None,
        pose: Pose | None = None,
    ) -> Verification:
        query, match = (points[inliers] for points in self.source)
        return Verification(
            matches=len(self.rows),
            inliers=len(query),
            overlap=self._overlap(query, match),
            homography=homography,
            query_points=query,
            match_points=match,
            model=model,
            fundamental=fundamental,
            pose=pose,
        )

    def _overlap(self, query: NDArray[np.float32], match: NDArray[np.float32]) -> float | None:
        sizes = self.query.size, self.match.size
        if sizes[0] is None or sizes[1] is None:
            return None
        return view_overlap(query, match, sizes[0], sizes[1])
