"""A calibrated camera: its lens, its size, and what it refuses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamvpr.errors import ConfigError
from streamvpr.geometry import Camera, Distortion

PLUMB_BOB = (-0.29, 0.1, 0.0006, -0.0004, -0.015)
RATIONAL = (0.12, -0.05, 0.0003, 0.0002, 0.01, 0.2, -0.02, 0.003)
KANNALA_BRANDT = (-0.02, 0.004, -0.002, 0.0003)


def camera(distortion: Distortion, coefficients: tuple[float, ...], focal: float = 500) -> Camera:
    return Camera(640, 480, focal, focal * 1.02, 330.0, 235.0, distortion, coefficients)


CAMERAS = [
    camera(Distortion.NONE, ()),
    camera(Distortion.RADTAN, PLUMB_BOB[:4]),
    camera(Distortion.RADTAN, PLUMB_BOB),
    camera(Distortion.RADTAN, RATIONAL),
    camera(Distortion.EQUIDISTANT, KANNALA_BRANDT, 300),
]


def drawn(of: Camera, rays: np.ndarray) -> np.ndarray:
    """Where OpenCV draws points x/z, y/z."""
    matrix = np.array([[of.fx, 0, of.cx], [0, of.fy, of.cy], [0, 0, 1]])
    space = np.column_stack([rays, np.ones(len(rays))])[:, None]
    project = cv2.fisheye.projectPoints if "equi" in of.distortion else cv2.projectPoints
    found, _ = project(space, np.zeros(3), np.zeros(3), matrix, np.array(of.coefficients))
    return np.asarray(found).reshape(-1, 2)


@pytest.mark.parametrize("one", CAMERAS, ids=["none", "radtan4", "radtan5", "rational", "wide"])
class TestLens:
    def test_pixels_become_what_was_drawn_there(self, one: Camera) -> None:
        rays = np.random.default_rng(0).uniform(-0.55, 0.55, (500, 2))
        pixels = drawn(one, rays)
        assert np.abs(one.normalised(pixels.astype(np.float32)) - rays).max() < 2e-6
        assert np.abs(one.pixels(rays) - pixels).max() < 1e-9

    def test_another_size_shows_the_same_directions(self, one: Camera) -> None:
        pixels = np.random.default_rng(0).uniform([60, 60], [580, 420], (500, 2))
        for width in (320, 1280, 1920):
            factor = width / 640
            there = ((pixels + 0.5) * factor - 0.5).astype(np.float32)
            apart = one.resized(width).normalised(there) - one.normalised(pixels.astype(np.float32))
            assert np.abs(apart).max() < 2e-6

    def test_no_points_are_none(self, one: Camera) -> None:
        assert one.normalised(np.zeros((0, 2), np.float32)).shape == (0, 2)
        assert one.pixels(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("one", "pixel"),
    [
        (camera(Distortion.EQUIDISTANT, KANNALA_BRANDT, 150), (630, 235)),
        (camera(Distortion.EQUIDISTANT, KANNALA_BRANDT, 150), (900, 235)),
        (camera(Distortion.RADTAN, PLUMB_BOB, 100), (5, 5)),
        (camera(Distortion.NONE, (), 50), (630, 235)),
    ],
)
def test_what_the_lens_cannot_have_drawn_is_no_direction(
    one: Camera, pixel: tuple[int, int]
) -> None:
    found = one.normalised(np.array([pixel, (331, 236)], np.float32))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("calibrated", "shown"),
    [
        ((640, 480), (640, 480)),
        ((640, 480), (1280, 960)),
        ((640, 480), (160, 120)),
        ((1920, 1080), (853, 480)),
        ((1920, 1080), (854, 480)),
        ((427, 240), (1920, 1080)),
        ((1241, 376), (640, 194)),
        ((4000, 3000), (800, 600)),
    ],
)
def test_a_picture_may_be_scaled(calibrated: tuple[int, int], shown: tuple[int, int]) -> None:
    one = Camera(*calibrated, 500, 500, 320, 240)
    one.require_size(*shown, shown="a.mp4")
    assert abs(one.resized(shown[0]).height - shown[1]) <= 5


@pytest.mark.parametrize(
    "shown", [(480, 640), (640, 360), (1280, 720), (640, 400), (1920, 1088), (648, 480)]
)
def test_a_picture_may_not_be_cropped_or_turned(shown: tuple[int, int]) -> None:
    one = Camera(640, 480, 500, 500, 320, 240)
    with pytest.raises(ConfigError) as raised:
        one.require_size(*shown, shown="a.mp4")
    for named in ("a.mp4", "640x480", f"{shown[0]}x{shown[1]}", "--camera"):
        assert named in str(raised.value)
