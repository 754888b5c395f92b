"""Two views of scenes, walls and turns whose motion is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamvpr.errors import ConfigError
from streamvpr.frames import Features, GeometryModel, Verification
from streamvpr.geometry import Camera, Distortion, Geometry, Verifier
from streamvpr.geometry.pose import quaternion

from .two_views import (
    CAMERA,
    SIDEWAYS,
    TURN,
    TwoViews,
    degrees_apart,
    degrees_between,
    rotation,
    scene,
    seen_twice,
    turned_back,
    wall,
)

RADTAN = replace(
    CAMERA, distortion=Distortion.RADTAN, coefficients=(-0.28, 0.09, 0.0008, -0.0005, -0.01)
)
RATIONAL = replace(
    CAMERA,
    distortion=Distortion.RADTAN,
    coefficients=(0.12, -0.05, 0.0003, 0.0002, 0.01, 0.2, -0.02, 0.003),
)
FISHEYE = replace(
    CAMERA,
    fx=480.0,
    fy=480.0,
    distortion=Distortion.EQUIDISTANT,
    coefficients=(-0.02, 0.004, -0.002, 0.0003),
)
NONE = np.zeros((0, 2))


def verified(views: TwoViews, geometry: Geometry, camera: Camera | None = None) -> Verification:
    query = match = camera or CAMERA
    return Verifier(geometry=geometry, camera=camera).verify(*views.features(query, match))


def assert_motion(
    found: Verification,
    turn: tuple[float, float, float] = TURN,
    shift: tuple[float, float, float] | None = SIDEWAYS,
    *,
    turn_within: float = 0.5,
    shift_within: float = 3.0,
) -> None:
    assert found.pose is not None
    assert np.linalg.norm(found.pose.rotation) == pytest.approx(1)
    assert found.pose.rotation[3] >= 0
    assert degrees_apart(turned_back(found.pose.rotation), rotation(turn)) < turn_within
    if shift is None:
        assert found.pose.translation is None
    else:
        assert found.pose.translation is not None
        assert np.linalg.norm(found.pose.translation) == pytest.approx(1)
        assert degrees_between(found.pose.translation, shift) < shift_within


class TestFundamental:
    @pytest.mark.parametrize("wrong", [0.0, 0.3, 0.5])
    def test_it_binds_the_points_of_a_scene_with_depth(self, wrong: float) -> None:
        views = seen_twice(scene(), wrong=wrong)
        found = verified(views, Geometry.FUNDAMENTAL)
        assert found.model is GeometryModel.FUNDAMENTAL
        assert (found.homography, found.pose) == (None, None)
        right = int(views.right.sum())
        assert 0.97 * right <= found.inliers <= right + 0.1 * (len(views.right) - right)
        assert found.query_points is not None
        assert len(found.query_points) == found.inliers

    def test_it_is_in_source_pixels_whatever_the_sizes_of_the_pictures(self) -> None:
        small = CAMERA.resized(640)
        views = seen_twice(scene(), match=small, noise=0.0)
        features = views.features(CAMERA, small)
        match = replace(features[1], scale=1.0)
        found = Verifier(geometry=Geometry.FUNDAMENTAL).verify(features[0], match)
        assert found.fundamental is not None
        assert np.linalg.norm(found.fundamental) == pytest.approx(1)
        ones = np.ones((len(views.query), 1))
        query, there = np.hstack([views.query, ones]), np.hstack([views.match, ones])
        lines = query @ found.fundamental.T
        distance = np.abs((there * lines).sum(axis=1)) / np.linalg.norm(lines[:, :2], axis=1)
        assert np.quantile(distance, 0.95) < 0.5, "in pixels of the match picture"
        back = there @ found.fundamental
        swapped = np.abs((query * back).sum(axis=1)) / np.linalg.norm(back[:, :2], axis=1)
        assert np.quantile(swapped, 0.95) < 1

    @pytest.mark.parametrize("geometry", [Geometry.FUNDAMENTAL, Geometry.AUTO])
    @pytest.mark.parametrize("seed", range(4))
    def test_wrong_pairs_have_none(self, geometry: Geometry, seed: int) -> None:
        views = seen_twice(scene(150, seed), wrong=1.0, seed=seed)
        found = verified(views, geometry)
        assert found.fundamental is None
        assert found.inliers < 15


class TestPose:
    @pytest.mark.parametrize(
        "camera",
        [CAMERA, RADTAN, RATIONAL, FISHEYE],
        ids=["straight", "radtan", "rational", "wide"],
    )
    @pytest.mark.parametrize("wrong", [0.0, 0.4])
    def test_it_is_the_motion_of_the_camera(self, camera: Camera, wrong: float) -> None:
        views = seen_twice(scene(), query=camera, match=camera, wrong=wrong)
        found = verified(views, Geometry.ESSENTIAL, camera)
        assert found.model is GeometryModel.ESSENTIAL
        assert (found.homography, found.fundamental) == (None, None)
        assert found.inliers >= 0.95 * views.right.sum()
        assert_motion(found, turn_within=1.0, shift_within=5.0)

    @pytest.mark.parametrize(
        ("turn", "shift"),
        [
            ((0, 0, 0), (1, 0, 0)),
            ((0, 0, 0), (-1, 0, 0)),
            ((0, 0, 0), (0, 0, 1.5)),
            ((0, 0, 0), (0, 0, -1.5)),
            ((0, 0, 1.5), (0.5, 0.5, 0)),
            ((0, 0, 3.1), (0.8, 0, 0)),
            ((-0.1, 0.25, 0), (-0.5, 0.8, 0.3)),
        ],
    )
    def test_every_direction_has_its_sign(
        self, turn: tuple[float, float, float], shift: tuple[float, float, float]
    ) -> None:
        views = seen_twice(scene(500), turn, shift, noise=0.3)
        assert_motion(verified(views, Geometry.ESSENTIAL, CAMERA), turn, shift)

    def test_the_way_back_is_its_inverse(self) -> None:
        views = seen_twice(scene(), noise=0.2)
        query, match = views.features()
        verifier = Verifier(geometry=Geometry.ESSENTIAL, camera=CAMERA)
        there, back = verifier.verify(query, match).pose, verifier.verify(match, query).pose
        assert there is not None
        assert back is not None
        first, second = turned_back(there.rotation), turned_back(back.rotation)
        assert degrees_apart(first, second.T) < 0.3
        assert there.translation is not None
        assert back.translation is not None
        assert degrees_between(back.translation, tuple(-first.T @ there.translation)) < 3

    def test_pictures_of_other_sizes_than_the_calibration_s(self) -> None:
        small, large = CAMERA.resized(640), CAMERA.resized(2560)
        views = seen_twice(scene(), query=large, match=small, noise=0.3)
        query, match = views.features(large, small)
        verifier = Verifier(geometry=Geometry.ESSENTIAL, camera=CAMERA)
        found = verifier.verify(replace(query, scale=4.0), replace(match, scale=1.0))
        assert_motion(found, turn_within=1.0, shift_within=5.0)

    @pytest.mark.parametrize("geometry", [Geometry.HOMOGRAPHY, Geometry.ESSENTIAL, Geometry.AUTO])
    @pytest.mark.parametrize("noise", [0.0, 0.5])
    def test_a_turn_has_no_translation(self, geometry: Geometry, noise: float) -> None:
        views = seen_twice(scene(), TURN, (0, 0, 0), noise=noise, wrong=0.2)
        found = verified(views, geometry, CAMERA)
        assert_motion(found, shift=None)
        expected = "essential" if geometry is Geometry.ESSENTIAL else "homography"
        assert found.model == expected

    @pytest.mark.parametrize("geometry", [Geometry.HOMOGRAPHY, Geometry.ESSENTIAL, Geometry.AUTO])
    def test_the_same_picture_has_neither_turned_nor_moved(self, geometry: Geometry) -> None:
        views = seen_twice(scene(), (0, 0, 0), (0, 0, 0), noise=0.0)
        found = verified(views, geometry, CAMERA)
        assert found.inliers == len(views.query)
        assert_motion(found, (0, 0, 0), None, turn_within=0.01)

    @pytest.mark.parametrize("geometry", [Geometry.HOMOGRAPHY, Geometry.ESSENTIAL, Geometry.AUTO])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_plane_gives_the_right_motion_or_none(self, geometry: Geometry, seed: int) -> None:
        views = seen_twice(wall(seed=seed), noise=0.3, wrong=0.2, seed=seed)
        found = verified(views, geometry, CAMERA)
        assert found.inliers >= 0.9 * views.right.sum()
        if found.pose is not None:
            assert_motion(found, turn_within=1.5, shift_within=10.0)

    def test_walls_at_all_angles_give_no_wrong_motion_and_some_the_right_one(self) -> None:
        given = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            turn, shift = tuple(rng.normal(0, 0.1, 3)), tuple(rng.normal(0, 0.6, 3))
            views = seen_twice(wall(300, seed), turn, shift, wrong=0.2, seed=seed)
            found = verified(views, Geometry.AUTO, CAMERA)
            assert found.model is GeometryModel.HOMOGRAPHY
            if found.pose is not None:
                given += 1
                assert_motion(found, turn, shift, turn_within=2.0, shift_within=10.0)
        assert given >= 3

    def test_ground_straight_below_gives_the_motion(self) -> None:
        ground = scene(400)
        ground *= 8 / ground[:, 2:]
        views = seen_twice(ground, (0, 0, 0.3), (1.5, 0.5, 0), noise=0.3)
        found = verified(views, Geometry.AUTO, CAMERA)
        assert found.model is GeometryModel.HOMOGRAPHY
        assert_motion(found, (0, 0, 0.3), (1.5, 0.5, 0), turn_within=1.0, shift_within=5.0)

    @pytest.mark.parametrize("seed", range(4))
    def test_wrong_pairs_have_none(self, seed: int) -> None:
        views = seen_twice(scene(150, seed), wrong=1.0, seed=seed)
        for geometry in (Geometry.ESSENTIAL, Geometry.AUTO, Geometry.HOMOGRAPHY):
            found = verified(views, geometry, CAMERA)
            assert found.pose is None
            assert found.inliers < 15

    def test_features_of_unknown_pictures_are_refused(self) -> None:
        query, match = seen_twice(scene()).features()
        verifier = Verifier(geometry=Geometry.ESSENTIAL, camera=CAMERA)
        with pytest.raises(ValueError, match="unknown size"):
            verifier.verify(replace(query, size=None), match)

    def test_it_needs_a_camera(self) -> None:
        with pytest.raises(ConfigError, match="--camera FILE"):
            Verifier(geometry=Geometry.ESSENTIAL)

    def test_what_lies_outside_of_the_lens_is_no_match(self) -> None:
        views = seen_twice(scene(), query=FISHEYE, match=FISHEYE, noise=0.3)
        corner = np.tile([[3000.0, 0.0]], (20, 1)) + np.arange(20.0)[:, None]
        beyond = TwoViews(
            np.vstack([views.query, corner]), np.vstack([views.match, corner]), views.right
        )
        found = verified(beyond, Geometry.ESSENTIAL, FISHEYE)
        assert found.query_points is not None
        assert found.query_points[:, 0].max() < 2000
        assert_motion(found, turn_within=1.0, shift_within=5.0)


class TestChoice:
    def test_depth_is_told_from_a_plane_and_a_turn(self) -> None:
        deep = verified(seen_twice(scene(), wrong=0.3), Geometry.AUTO)
        flat = verified(seen_twice(wall(), wrong=0.3), Geometry.AUTO)
        turned = verified(seen_twice(scene(), TURN, (0, 0, 0), wrong=0.3), Geometry.AUTO)
        assert deep.model is GeometryModel.FUNDAMENTAL
        assert flat.model is turned.model is GeometryModel.HOMOGRAPHY
        assert flat.homography is not None
        assert flat.fundamental is None
        calibrated = verified(seen_twice(scene(), wrong=0.3), Geometry.AUTO, CAMERA)
        assert calibrated.model is GeometryModel.ESSENTIAL

    @pytest.mark.parametrize("camera", [None, CAMERA])
    @pytest.mark.parametrize("wrong", [0.0, 0.4, 0.6])
    def test_auto_never_has_fewer_inliers_than_the_homography(
        self, camera: Camera | None, wrong: float
    ) -> None:
        for points in (scene(), wall()):
            views = seen_twice(points, wrong=wrong)
            alone = verified(views, Geometry.HOMOGRAPHY, camera)
            assert verified(views, Geometry.AUTO, camera).inliers >= alone.inliers

    def test_a_camera_changes_nothing_of_the_homography_but_adds_the_pose(self) -> None:
        views = seen_twice(scene())
        with_camera = verified(views, Geometry.HOMOGRAPHY, CAMERA)
        without = verified(views, Geometry.HOMOGRAPHY)
        assert without.model is with_camera.model is GeometryModel.HOMOGRAPHY
        assert np.array_equal(with_camera.homography, without.homography)
        assert with_camera.inliers == without.inliers
        assert without.pose is None
        assert_motion(with_camera)

    @pytest.mark.parametrize(
        "geometry", [Geometry.FUNDAMENTAL, Geometry.ESSENTIAL, Geometry.AUTO, Geometry.HOMOGRAPHY]
    )
    def test_the_same_again_and_again(self, geometry: Geometry) -> None:
        camera = None if geometry is Geometry.FUNDAMENTAL else CAMERA
        views = seen_twice(scene(), wrong=0.4)
        first, second = (verified(views, geometry, camera) for _ in range(2))
        assert first.inliers == second.inliers
        assert first.pose == second.pose
        assert np.array_equal(first.query_points, second.query_points)

    @pytest.mark.parametrize(
        "points",
        [
            np.column_stack([np.arange(60.0), np.zeros(60)]),
            np.column_stack([np.arange(60.0), 2 * np.arange(60.0)]),
            np.full((60, 2), 7.0),
            np.repeat([[0.0, 0], [0, 9], [9, 0]], 20, axis=0),
            np.repeat(np.random.default_rng(0).uniform(0, 600, (7, 2)), 9, axis=0),
            np.random.default_rng(1).uniform(0, 600, (8, 2)),
        ],
        ids=["row", "slope", "one_point", "three_points", "seven_points", "eight_matches"],
    )
    @pytest.mark.parametrize("geometry", [Geometry.FUNDAMENTAL, Geometry.ESSENTIAL, Geometry.AUTO])
    @pytest.mark.parametrize("moved", [False, True])
    def test_degenerate_points_raise_nothing(
        self, points: np.ndarray, geometry: Geometry, moved: bool
    ) -> None:
        other = np.random.default_rng(2).uniform(0, 600, points.shape) if moved else points
        camera = CAMERA if geometry is not Geometry.FUNDAMENTAL else None
        found = verified(TwoViews(points, other, np.ones(len(points), bool)), geometry, camera)
        assert found.matches == len(points)
        assert 0 <= found.inliers <= len(points)

    def test_no_features_have_no_model(self) -> None:
        nothing = Features(
            NONE.astype(np.float32), np.zeros((0, 32), np.uint8), 1.0, size=(640, 480)
        )
        verifier = Verifier(geometry=Geometry.AUTO, camera=CAMERA)
        assert verifier.verify(nothing, nothing) == Verification(matches=0, inliers=0)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.1, 1.5, 3.0, np.pi - 1e-9, np.pi])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 3), (-1, -1, -1)])
def test_quaternions_are_their_rotations(axis: tuple[int, int, int], angle: float) -> None:
    direction = np.array(axis) / np.linalg.norm(axis)
    matrix = rotation(tuple(direction * angle))
    found = quaternion(matrix)
    assert np.abs(turned_back(found) - matrix).max() < 1e-9
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found[3] >= 0
