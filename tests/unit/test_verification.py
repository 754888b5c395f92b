"""Local features and geometry on pictures whose true geometry is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from streamvpr.features import OrbExtractor, analysis_size
from streamvpr.features.orb import BYTES_PER_FEATURE, LARGEST_SIDE, MOST_FEATURES
from streamvpr.frames import Features, Verification
from streamvpr.geometry import LEAST_MATCHES, Verifier, mutual_matches
from streamvpr.geometry.correspondence import RATIO

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
    from streamvpr.frames import Image


def features_at_half_size(picture: Image) -> Features:
    return OrbExtractor().extract(half(picture), picture.shape[1])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "true",
    [
        np.eye(3),
        shift(80, -50),
        about_the_middle(15, 1),
        about_the_middle(90, 1),
        about_the_middle(180, 1),
        about_the_middle(0, 0.8),
        about_the_middle(-20, 1.2),
        TILT,
    ],
    ids=["same", "shifted", "turned", "quarter", "upside_down", "smaller", "larger", "tilted"],
)
def test_the_homography_is_right_in_source_pixels(seed: int, true: np.ndarray) -> None:
    picture = texture(seed)
    query, match = features_at_half_size(picture), features_at_half_size(warped(picture, true))
    found = Verifier().verify(query, match)
    assert found.inliers >= 100
    assert found.inliers <= found.matches
    assert most_error(found.homography, true) < 2
    assert found.homography is not None
    assert found.homography[2, 2] == 1


def test_pictures_of_different_sizes_are_mapped_from_the_one_s_pixels_to_the_other_s() -> None:
    picture = texture(2)
    query = features_at_half_size(picture)
    match = OrbExtractor().extract(half(picture), WIDTH // 2)  # that picture itself is small
    found = Verifier().verify(query, match)
    assert most_error(found.homography, np.diag([0.5, 0.5, 1.0])) < 1
    back = Verifier().verify(match, query)
    assert most_error(back.homography, np.diag([2.0, 2.0, 1.0])) < 2


def test_the_inliers_are_points_that_the_homography_maps_on_each_other() -> None:
    picture, true = texture(3), about_the_middle(10, 0.9)
    found = Verifier(reproj_thresh=3.0).verify(
        features_at_half_size(picture), features_at_half_size(warped(picture, true))
    )
    assert found.query_points is not None
    assert found.match_points is not None
    assert len(found.query_points) == len(found.match_points) == found.inliers
    mapped = cv2.perspectiveTransform(found.query_points[None].astype(np.float64), true)[0]
    apart = np.linalg.norm(mapped - found.match_points, axis=1)
    assert np.quantile(apart, 0.9) < 2 * 3.0, "three analysed pixels are six of the source"
    assert found.query_points[:, 0].max() > WIDTH / 2, "in source pixels"


@pytest.mark.parametrize("seed", range(6))
def test_unrelated_pictures_have_few_inliers(seed: int) -> None:
    query, match = features_at_half_size(texture(seed)), features_at_half_size(texture(seed + 50))
    assert Verifier().verify(query, match).inliers < UNRELATED


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_picture_is_another_place(seed: int) -> None:
    picture = texture(seed)
    query, match = features_at_half_size(picture), features_at_half_size(picture[:, ::-1].copy())
    assert Verifier().verify(query, match).inliers < UNRELATED


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 640), (640, 1), (2, 2), (7, 7), (15, 15), (31, 31), (40, 8)]
)
@pytest.mark.parametrize("filled", ["blank", "noise"])
def test_tiny_pictures_have_nothing_to_match_and_raise_nothing(
    size: tuple[int, int], filled: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    picture = np.zeros(size, np.uint8) if filled == "blank" else noise
    tiny = OrbExtractor().extract(picture, size[1])
    whole = features_at_half_size(texture(0))
    assert tiny.points.shape == (len(tiny.descriptors), 2)
    assert tiny.descriptors.shape[1] == 32
    for one, other in ((tiny, whole), (whole, tiny), (tiny, tiny)):
        assert Verifier().verify(one, other).inliers == 0


@pytest.mark.parametrize("shade", [0, 127, 255])
def test_a_blank_picture_has_no_features(shade: int) -> None:
    blank = OrbExtractor().extract(np.full((360, 480), shade, np.uint8), 960)
    assert len(blank.points) == len(blank.descriptors) == 0
    assert blank.nbytes == 0
    found = Verifier().verify(blank, features_at_half_size(texture(0)))
    assert (found.matches, found.inliers, found.homography) == (0, 0, None)


def test_features_are_no_more_than_asked_for_and_cost_what_is_said() -> None:
    found = OrbExtractor().extract(half(texture(0)), WIDTH)
    assert 300 < len(found.points) <= MOST_FEATURES
    assert found.points.dtype == np.float32
    assert found.descriptors.dtype == np.uint8
    assert found.nbytes == len(found.points) * BYTES_PER_FEATURE
    assert found.scale == 2
    assert len(OrbExtractor(most=100).extract(half(texture(0)), WIDTH).points) <= 100


def test_points_are_in_source_pixels() -> None:
    picture = np.zeros((360, 480), np.uint8)
    cv2.rectangle(picture, (200, 120), (260, 180), 255, -1)
    corners = OrbExtractor().extract(picture, 1440).points
    assert len(corners) > 0
    assert corners.min() > 3 * 110
    assert corners[:, 0].max() < 3 * 270
    assert corners[:, 1].max() < 3 * 190


def made_up(points: object, seed: int = 0, scale: float = 1.0) -> Features:
    """Features at these points; one seed gives the same, far-apart descriptors in order."""
    points = np.asarray(points, np.float32)
    descriptors = np.random.default_rng(seed).integers(0, 256, (len(points), 32), dtype=np.uint8)
    return Features(points, descriptors, scale)


SPREAD = np.random.default_rng(9).uniform(50, 600, (60, 2))


@pytest.mark.parametrize(
    "points",
    [
        np.column_stack([np.arange(60.0), np.zeros(60)]),
        np.column_stack([np.arange(60.0), 2 * np.arange(60.0)]),
        np.full((60, 2), 7.0),
        np.zeros((60, 2)),
        np.repeat([[0.0, 0], [0, 9], [9, 0]], 20, axis=0),
    ],
    ids=["row", "slope", "one_point", "origin", "three_points"],
)
def test_degenerate_points_raise_nothing(points: np.ndarray) -> None:
    line, spread = made_up(points), made_up(SPREAD)
    for query, match in ((line, line), (line, spread), (spread, line)):
        found = Verifier().verify(query, match)
        assert found.matches == 60
        assert 0 <= found.inliers <= 60
        if found.inliers == 0:
            assert found.homography is None
        else:
            assert found.homography is not None
            assert np.isfinite(found.homography).all()


@pytest.mark.parametrize(
    "collapse",
    [
        lambda p: p * [-1, 1] + [700, 0],
        lambda p: p * 0.1,
        lambda p: p * 10,
        lambda p: p * [1, 1e-3],
    ],
    ids=["mirrored", "a_tenth", "tenfold", "squashed"],
)
def test_a_map_that_is_no_second_view_has_no_inliers(collapse: object) -> None:
    found = Verifier().verify(made_up(SPREAD), made_up(collapse(SPREAD)))  # type: ignore[operator]
    assert found.matches == 60
    assert (found.inliers, found.homography) == (0, None)


def test_a_view_from_further_away_is_one() -> None:
    assert Verifier().verify(made_up(SPREAD), made_up(SPREAD * 0.4)).inliers == 60


def test_the_reprojection_threshold_is_in_analysed_pixels() -> None:
    rng = np.random.default_rng(1)
    source = np.random.default_rng(9).uniform(0, 4000, (200, 2))
    shaken = source + rng.uniform(-1, 1, source.shape) * 14
    fine = Verifier().verify(made_up(source, scale=1), made_up(shaken, scale=1))
    coarse = Verifier().verify(made_up(source, scale=10), made_up(shaken, scale=10))
    assert coarse.inliers == 200, "1.4 analysed pixels"
    assert fine.inliers < 60, "14 analysed pixels"


@pytest.mark.parametrize("count", [0, 1, 2, LEAST_MATCHES - 1])
def test_fewer_features_than_a_homography_takes_are_not_tried(count: int) -> None:
    few, many = made_up(SPREAD[:count]), made_up(SPREAD)
    for one, other in ((few, many), (many, few), (few, few)):
        assert Verifier().verify(one, other) == Verification(matches=0, inliers=0)


def test_each_feature_is_matched_once_and_with_its_nearest() -> None:
    match = made_up(SPREAD)
    copies = np.repeat(match.descriptors, 3, axis=0)
    copies[0::3, 0] ^= 0b0111  # three bits off, the exact one, one bit off
    copies[2::3, 0] ^= 0b0001
    points = np.repeat(SPREAD, 3, axis=0).astype(np.float32)
    points[0::3] += 300
    points[2::3] += 300
    found = Verifier().verify(Features(points, copies, 1.0), match)
    assert found.matches == 60
    assert found.inliers == 60
    assert found.query_points is not None
    assert found.match_points is not None
    assert np.array_equal(found.query_points, found.match_points)
    assert len(np.unique(found.match_points, axis=0)) == 60


def test_what_could_be_two_features_is_matched_with_neither() -> None:
    query, match = made_up(SPREAD), made_up(SPREAD)
    doubled = Features(
        np.repeat(match.points, 2, axis=0), np.repeat(match.descriptors, 2, axis=0), 1.0
    )
    assert Verifier().verify(query, doubled).matches == 0


def bits(descriptors: np.ndarray) -> Features:
    return Features(np.zeros((len(descriptors), 2), np.float32), descriptors, 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_matches_are_mutual_nearest_neighbours_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    query = rng.integers(0, 256, (40, 32), dtype=np.uint8)
    flips = rng.random((50, 256)) < rng.uniform(0, 0.3, (50, 1))
    match = query[rng.integers(0, 40, 50)] ^ np.packbits(flips, axis=1)
    apart = np.bitwise_count(query[:, None] ^ match[None]).sum(axis=2)
    naive = []
    for row, distances in enumerate(apart):
        first, second = np.argsort(distances, kind="stable")[:2]
        mutual = apart[:, first].argmin() == row
        if mutual and distances[first] < RATIO * distances[second]:
            naive.append((row, int(first)))
    assert len(naive) >= 5
    assert sorted(map(tuple, mutual_matches(*map(bits, (query, match))).tolist())) == naive


def test_the_same_seed_gives_the_same_result_again_and_again() -> None:
    pictures = [texture(4), warped(texture(4), about_the_middle(12, 0.9)), texture(5)]
    one, two = Verifier(seed=3), Verifier(seed=3)
    found = [features_at_half_size(p) for p in pictures]
    results = []
    for verifier in (one, one, two):
        for query in found:
            results.append([verifier.verify(query, match) for match in found])
    for again in (results[3:6], results[6:9]):
        for first_row, second_row in zip(results[:3], again, strict=True):
            for first, second in zip(first_row, second_row, strict=True):
                assert (first.matches, first.inliers) == (second.matches, second.inliers)
                assert np.array_equal(first.homography, second.homography)


def test_an_extractor_carries_nothing_from_one_picture_to_the_next() -> None:
    extractor = OrbExtractor()
    before = extractor.extract(half(texture(6)), WIDTH)
    extractor.extract(np.zeros((4, 4), np.uint8), 4)
    after = extractor.extract(half(texture(6)), WIDTH)
    assert np.array_equal(before.points, after.points)
    assert np.array_equal(before.descriptors, after.descriptors)


@pytest.mark.parametrize(
    ("source", "analysed"),
    [
        ((1920, 1080), (640, 360)),
        ((1080, 1920), (360, 640)),
        ((640, 480), (640, 480)),
        ((320, 240), (320, 240)),
        ((160, 120), (320, 240)),
        ((1, 1), (320, 320)),
        ((10_000, 2), (640, 1)),
    ],
)
def test_the_analysed_picture_is_neither_too_large_nor_too_small(
    source: tuple[int, int], analysed: tuple[int, int]
) -> None:
    assert analysis_size(*source, LARGEST_SIDE) == analysed
