"""A look at the strongest features alone, on pictures whose true geometry is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from streamvpr.features import OrbExtractor
from streamvpr.features.keypoints import PER_OCTAVE, TURN, poses, telling_first
from streamvpr.features.sift import SiftExtractor
from streamvpr.frames import Features
from streamvpr.geometry import LEAST_AGREEING, Verifier, glance
from streamvpr.geometry.glimpse import STRONGEST

from .textures import TILT, WIDTH, about_the_middle, half, shift, texture, warped

if TYPE_CHECKING:
    from streamvpr.frames import Image

EXTRACTORS = {"orb": OrbExtractor(), "sift": SiftExtractor()}
VIEWS = {
    "shifted": shift(80, -50),
    "turned": about_the_middle(15, 1),
    "upside_down": about_the_middle(180, 1),
    "smaller": about_the_middle(0, 0.8),
    "larger": about_the_middle(-20, 1.2),
    "tilted": TILT,
}
# A match needs twenty inliers at least, and a fifth of them at first sight.
ENOUGH = 4


def features(picture: Image, kind: str = "orb") -> Features:
    return EXTRACTORS[kind].extract(half(picture), picture.shape[1])


@pytest.mark.parametrize("kind", EXTRACTORS)
@pytest.mark.parametrize("view", VIEWS)
def test_another_view_of_a_place_shows_at_first_sight(kind: str, view: str) -> None:
    for seed in range(3):
        query, match = texture(seed), warped(texture(seed), VIEWS[view])
        assert glance(features(query, kind), features(match, kind)).agreeing >= 3 * ENOUGH


@pytest.mark.parametrize("kind", EXTRACTORS)
def test_other_places_show_next_to_nothing(kind: str) -> None:
    pairs = [(seed, other) for seed in range(5) for other in range(50, 54)]
    found = [glance(features(texture(a), kind), features(texture(b), kind)) for a, b in pairs]
    assert np.mean([one.agreeing < ENOUGH for one in found]) >= 0.9


def test_a_mirrored_view_is_another_place() -> None:
    for seed in range(3):
        picture = texture(seed)
        assert glance(features(picture), features(picture[:, ::-1].copy())).agreeing < ENOUGH


def test_the_number_of_matches_is_estimated_for_all_features() -> None:
    query, match = features(texture(1)), features(warped(texture(1), VIEWS["shifted"]))
    assert len(query.points) > STRONGEST
    found, all_ = glance(query, match), Verifier().verify(query, match)
    assert 0.5 < found.matches / all_.matches < 2
    assert found.agreeing < all_.inliers


def test_pictures_without_features_have_nothing_in_common() -> None:
    blank, whole = features(np.zeros((720, WIDTH), np.uint8)), features(texture(0))
    for query, match in ((blank, whole), (whole, blank), (blank, blank)):
        found = glance(query, match)
        assert (found.matches, found.agreeing) == (0, 0)


def made_up(points: np.ndarray, **fields: object) -> Features:
    bits = np.random.default_rng(3).integers(0, 256, (len(points), 32), dtype=np.uint8)
    return replace(Features(points.astype(np.float32), bits, 1.0), **fields)  # type: ignore[arg-type]


POINTS = np.random.default_rng(0).uniform(0, 600, (40, 2))


def turned(points: np.ndarray, degrees: float, scale: float) -> np.ndarray:
    z = (points @ [1, 1j] - 300 - 300j) * np.exp(1j * np.deg2rad(degrees)) * scale
    return np.column_stack([z.real + 300, z.imag + 300])


def posed(angle: float, size: float) -> np.ndarray:
    pose = [round(angle / 360 * TURN) % TURN, round(np.log2(size) * PER_OCTAVE)]
    return np.tile(np.array(pose, np.uint8), (len(POINTS), 1))


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1), (90, 1), (200, 1.5), (-45, 0.6)])
def test_features_must_turn_and_grow_as_the_picture_does(degrees: float, scale: float) -> None:
    query = made_up(POINTS, poses=posed(10, 31))
    moved = turned(POINTS, degrees, scale)
    as_it = made_up(moved, poses=posed(10 + degrees, 31 * scale))
    otherwise = made_up(moved, poses=posed(100 + degrees, 31 * scale))
    larger = made_up(moved, poses=posed(10 + degrees, 31 * scale * 2.5))
    assert glance(query, as_it).agreeing == len(POINTS)
    assert glance(query, otherwise).agreeing < LEAST_AGREEING
    assert glance(query, larger).agreeing < LEAST_AGREEING


def test_a_kind_without_directions_takes_pictures_for_upright() -> None:
    query = made_up(POINTS)
    assert glance(query, made_up(turned(POINTS, 5, 1.2))).agreeing == len(POINTS)
    assert glance(query, made_up(turned(POINTS, 90, 1))).agreeing < LEAST_AGREEING


@pytest.mark.parametrize(
    "points", [np.full((40, 2), 7.0), np.column_stack([np.arange(40.0), np.zeros(40)])]
)
def test_degenerate_points_raise_nothing(points: np.ndarray) -> None:
    for query, match in ((points, points), (points, POINTS), (POINTS, points)):
        assert 0 <= glance(made_up(query), made_up(match)).agreeing <= 40


class TestKeypoints:
    @staticmethod
    def keypoint(octave: int, response: float, angle: float = 0, size: float = 31) -> cv2.KeyPoint:
        return cv2.KeyPoint(1.0, 2.0, size, angle, response, octave)

    def test_any_number_of_first_ones_is_the_strongest_share_of_each_octave(self) -> None:
        rng = np.random.default_rng(1)
        octaves = np.repeat([0, 1, 3], [200, 100, 50])
        rng.shuffle(octaves)
        keypoints = [self.keypoint(int(o), float(rng.random())) for o in octaves]
        order = telling_first(keypoints)
        assert sorted(order) == list(range(350))
        for most in (35, 100, 350):
            first = order[:most]
            for octave, all_ in ((0, 200), (1, 100), (3, 50)):
                own = [keypoints[row].response for row in first if octaves[row] == octave]
                strongest = sorted(k.response for k in keypoints if k.octave == octave)[::-1]
                assert own == strongest[: len(own)]
                assert abs(len(own) - most * all_ / 350) <= 1

    def test_none_have_no_order(self) -> None:
        assert len(telling_first([])) == 0
        assert poses([]).shape == (0, 2)

    def test_directions_and_sizes_take_a_byte_each(self) -> None:
        found = poses([self.keypoint(0, 1, 90, 32), self.keypoint(0, 1, 359.9, 64)])
        assert found.tolist() == [[TURN // 4, 5 * PER_OCTAVE], [0, 6 * PER_OCTAVE]]
        assert found.dtype == np.uint8
