"""XFeat's points and descriptors: on pictures whose geometry is known, and on maps made up here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.embedding.feature_network import CELL, FeatureMaps
from streamvpr.features import XFeatExtractor, open_extractor
from streamvpr.features.xfeat import LEAST_PROBABILITY, MOST_FEATURES
from streamvpr.frames import FeatureKind, Features
from streamvpr.geometry import Verifier, mutual_matches

from .textures import (
    TILT,
    UNRELATED,
    WIDTH,
    about_the_middle,
    half,
    most_error,
    shift,
    texture,
    warped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.frames import Image


@pytest.fixture(scope="module")
def xfeat() -> XFeatExtractor:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    found = open_extractor(FeatureKind.XFEAT, threads=1)
    assert isinstance(found, XFeatExtractor)
    return found


SHIFT = shift(64, -40)


class TestKnownGeometry:
    @pytest.mark.parametrize(
        "true",
        [
            np.eye(3),
            SHIFT,
            about_the_middle(10, 1),
            about_the_middle(0, 0.8),
            about_the_middle(-8, 1.2),
            TILT,
        ],
        ids=["same", "shifted", "turned", "smaller", "larger", "tilted"],
    )
    def test_the_homography_is_right_in_source_pixels(
        self, xfeat: XFeatExtractor, true: np.ndarray
    ) -> None:
        picture = texture(0)
        query = xfeat.extract(half(picture), WIDTH)
        match = xfeat.extract(half(warped(picture, true)), WIDTH)
        found = Verifier().verify(query, match)
        assert found.inliers >= 60
        assert most_error(found.homography, true) < 2

    def test_pictures_looked_at_in_other_sizes_are_mapped_in_source_pixels(
        self, xfeat: XFeatExtractor
    ) -> None:
        picture = texture(1)
        finer = np.asarray(cv2.resize(picture, (600, 450), interpolation=cv2.INTER_AREA), np.uint8)
        coarse, fine = xfeat.extract(half(picture), WIDTH), xfeat.extract(finer, WIDTH)
        assert (coarse.scale, fine.scale) == (2, 1.6)
        found = Verifier().verify(coarse, fine)
        assert found.inliers >= 60
        assert most_error(found.homography, np.eye(3)) < 1

    def test_another_brightness_and_contrast_is_the_same_place(self, xfeat: XFeatExtractor) -> None:
        picture = half(texture(2))
        dim = (picture * 0.4 + 30).astype(np.uint8)
        found = Verifier().verify(xfeat.extract(picture, WIDTH), xfeat.extract(dim, WIDTH))
        assert found.inliers >= 200
        assert most_error(found.homography, np.eye(3)) < 1

    @pytest.mark.parametrize("seed", range(3))
    def test_unrelated_pictures_have_few_inliers(self, xfeat: XFeatExtractor, seed: int) -> None:
        query = xfeat.extract(half(texture(seed)), WIDTH)
        match = xfeat.extract(half(texture(seed + 50)), WIDTH)
        assert Verifier().verify(query, match).inliers < UNRELATED

    @pytest.mark.parametrize("size", [(480, 360), (437, 291), (449, 257), (640, 47), (32, 320)])
    def test_sides_that_are_no_multiples_change_nothing(
        self, xfeat: XFeatExtractor, size: tuple[int, int]
    ) -> None:
        width, height = size
        found = xfeat.extract(np.ascontiguousarray(texture(3)[:height, :width]), width)
        assert len(found.points) >= 30
        assert found.points.min() >= 0
        assert (found.points <= [width - 1, height - 1]).all()

    def test_what_is_added_at_the_edges_hardly_changes_the_rest(
        self, xfeat: XFeatExtractor
    ) -> None:
        picture = np.ascontiguousarray(texture(4)[:320, :448])
        whole = xfeat.extract(picture, 448)
        cut = xfeat.extract(np.ascontiguousarray(picture[:300, :430]), 430)
        found = Verifier().verify(cut, whole)
        assert found.inliers >= 0.5 * len(cut.points)
        assert most_error(found.homography, np.eye(3)) < 2


class TestLittleToSee:
    @pytest.mark.parametrize("shade", [0, 127, 255])
    @pytest.mark.parametrize("size", [(360, 480), (352, 501), (1, 640)])
    def test_a_blank_picture_has_no_features(
        self, xfeat: XFeatExtractor, shade: int, size: tuple[int, int]
    ) -> None:
        blank = xfeat.extract(np.full(size, shade, np.uint8), 960)
        assert blank.points.shape == (0, 2)
        assert blank.descriptors.shape == (0, 64)
        assert blank.nbytes == 0
        other = xfeat.extract(half(texture(0)), WIDTH)
        assert Verifier().verify(blank, other).inliers == 0

    @pytest.mark.parametrize("size", [(1, 1), (1, 640), (640, 1), (7, 7), (31, 31), (40, 8)])
    def test_a_tiny_picture_has_none_and_raises_nothing(
        self, xfeat: XFeatExtractor, size: tuple[int, int]
    ) -> None:
        noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        assert len(xfeat.extract(noise, size[1]).points) == 0

    @pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 700)])
    def test_a_small_one_may_have_some(self, xfeat: XFeatExtractor, size: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        found = xfeat.extract(noise, size[1])
        assert len(found.points) == len(found.descriptors)
        assert np.isfinite(found.descriptors).all()


class TestWhatIsKept:
    def test_they_are_no_more_than_asked_for_and_cost_what_is_said(
        self, xfeat: XFeatExtractor
    ) -> None:
        found = xfeat.extract(half(texture(0)), WIDTH)
        assert 300 < len(found.points) <= MOST_FEATURES
        assert found.points.dtype == np.float32
        assert found.descriptors.dtype == np.float16
        assert (found.kind, found.scale) == (FeatureKind.XFEAT, 2)
        assert found.nbytes * MOST_FEATURES == xfeat.most_bytes * len(found.points)
        lengths = np.linalg.norm(found.descriptors.astype(np.float64), axis=1)
        assert lengths == pytest.approx(1, abs=2e-3)

    def test_the_best_come_first_and_are_those_that_are_kept(self, xfeat: XFeatExtractor) -> None:
        all_of_them = xfeat.extract(half(texture(0)), WIDTH)
        few = XFeatExtractor(xfeat._network, most=50).extract(half(texture(0)), WIDTH)
        assert np.array_equal(few.points, all_of_them.points[:50])
        assert np.array_equal(few.descriptors, all_of_them.descriptors[:50])

    @pytest.mark.parametrize("threads", [1, 2])
    def test_the_same_again_on_any_number_of_threads(
        self, xfeat: XFeatExtractor, threads: int
    ) -> None:
        other = open_extractor(FeatureKind.XFEAT, threads=threads)
        picture = half(texture(5))
        one, two = xfeat.extract(picture, WIDTH), other.extract(picture, WIDTH)
        assert one.points.tobytes() == two.points.tobytes()
        assert one.descriptors.tobytes() == two.descriptors.tobytes()

    def test_orb_s_are_not_compared_with_them(self, xfeat: XFeatExtractor) -> None:
        picture = half(texture(0))
        with pytest.raises(ValueError, match="cannot be compared"):
            mutual_matches(xfeat.extract(picture, WIDTH), open_extractor().extract(picture, WIDTH))


def pretending(maps: Callable[[Image], FeatureMaps], dimension: int) -> Any:
    """A network that says what it is told to."""
    return SimpleNamespace(card=SimpleNamespace(dimension=dimension), maps=maps)


def speckled(
    points: dict[tuple[int, int], float], reliability: Callable[[np.ndarray, np.ndarray], Any]
) -> Callable[[Image], FeatureMaps]:
    """Maps with these probabilities at (x, y); descriptors say where they are, as an angle."""

    def maps(luma: Image) -> FeatureMaps:
        keypoints = np.zeros(luma.shape, np.float32)
        for (x, y), likely in points.items():
            keypoints[y, x] = likely
        rows, columns = np.mgrid[: luma.shape[0] // CELL, : luma.shape[1] // CELL] * CELL + 3.5
        angle = (columns + 1000 * rows) / 1e6
        descriptors = np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
        found = np.broadcast_to(reliability(columns, rows), angle.shape).astype(np.float32)
        return FeatureMaps(descriptors, keypoints, found)

    return maps


def extract(maps: Callable[[Image], FeatureMaps], width: int = 64, height: int = 64) -> Features:
    return XFeatExtractor(pretending(maps, 2)).extract(np.zeros((height, width), np.uint8), width)


class TestFromMaps:
    def test_points_are_pixels_middles_in_the_source(self) -> None:
        maps = speckled({(10, 20): 0.9}, lambda x, y: 1)
        found = XFeatExtractor(pretending(maps, 2)).extract(np.zeros((64, 64), np.uint8), 256)
        assert found.scale == 4
        assert found.points.tolist() == [[10 * 4 + 1.5, 20 * 4 + 1.5]]

    @pytest.mark.parametrize(
        "point", [(10, 20), (11, 20), (16, 16), (4, 59), (59, 4), (33, 47)], ids=str
    )
    def test_descriptors_are_read_between_the_cells_middles(self, point: tuple[int, int]) -> None:
        (descriptor,) = extract(speckled({point: 0.9}, lambda x, y: 1)).descriptors
        angle = float(np.arctan2(*descriptor[::-1].astype(np.float64))) * 1e6
        # A float16 near 1 is right to 2**-11, and its sine next to 0 far better.
        assert angle == pytest.approx(point[0] + 1000 * point[1], rel=2e-3, abs=5)

    @pytest.mark.parametrize("point", [(0, 0), (63, 63), (0, 63)], ids=str)
    def test_beyond_the_last_middles_the_last_ones_hold(self, point: tuple[int, int]) -> None:
        (descriptor,) = extract(speckled({point: 0.9}, lambda x, y: 1)).descriptors
        x, y = np.clip(point, 3.5, 59.5)
        angle = (x + 1000 * y) / 1e6
        assert descriptor == pytest.approx([np.cos(angle), np.sin(angle)], abs=1e-3)

    def test_the_likelier_of_two_neighbours_stays(self) -> None:
        maps = speckled(
            {(10, 10): 0.5, (12, 12): 0.6, (30, 10): 0.5, (33, 10): 0.6}, lambda x, y: 1
        )
        points = extract(maps).points.tolist()
        assert sorted(points) == [[12, 12], [30, 10], [33, 10]]

    def test_what_is_hardly_a_point_is_none(self) -> None:
        maps = speckled(
            {(10, 10): LEAST_PROBABILITY * 0.99, (30, 30): LEAST_PROBABILITY * 1.01},
            lambda x, y: 1,
        )
        assert extract(maps).points.tolist() == [[30, 30]]

    def test_reliable_ones_come_before_likely_ones(self) -> None:
        maps = speckled({(8, 8): 0.9, (52, 8): 0.5}, lambda x, y: x / 64)
        assert extract(maps).points.tolist() == [[52, 8], [8, 8]]

    def test_equal_ones_stay_in_reading_order(self) -> None:
        maps = speckled({(40, 8): 0.5, (8, 8): 0.5, (8, 40): 0.5}, lambda x, y: 1)
        assert extract(maps).points.tolist() == [[8, 8], [40, 8], [8, 40]]

    def test_points_in_what_was_added_at_the_edges_are_none(self) -> None:
        points = {(39, 39): 0.6, (41, 10): 0.9, (10, 41): 0.9, (40, 40): 0.9}
        found = extract(speckled(points, lambda x, y: 1), width=40, height=40)
        assert found.points.tolist() == [[39, 39]]

    def test_the_network_sees_the_edges_repeated_up_to_a_multiple(self) -> None:
        seen: list[Image] = []
        picture = texture(0)[:50, :70]

        def maps(luma: Image) -> FeatureMaps:
            seen.append(luma)
            return speckled({(10, 10): 0.9}, lambda x, y: 1)(luma)

        XFeatExtractor(pretending(maps, 2)).extract(picture, 70)
        (luma,) = seen
        assert luma.shape == (64, 96)
        assert np.array_equal(luma[:50, :70], picture)
        assert (luma[50:, :70] == picture[-1]).all()
        assert (luma[:50, 70:] == picture[:, -1:]).all()
