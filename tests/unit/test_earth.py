"""Distances over the ground, against known ones and another formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.earth import MEAN_RADIUS, distance, distances
from streamvpr.frames import Position

QUARTER = math.pi / 2 * MEAN_RADIUS

positions = st.builds(Position, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (0, 90), QUARTER),
        ((0, 0), (90, 0), QUARTER),
        ((90, 0), (-90, 77), 2 * QUARTER),
        ((0, 0), (0, 180), 2 * QUARTER),
        ((0, 179.5), (0, -179.5), QUARTER / 90),
        ((90, 10), (90, -170), 0),
        ((47, 8), (47, 8), 0),
        # Nashville to Los Angeles, a common example: 2887.2599506 km where the radius is 6372.8 km.
        ((36.12, -86.67), (33.94, -118.40), 2_887_259.9506 * MEAN_RADIUS / 6_372_800),
    ],
)
def test_known_distances(
    one: tuple[float, float], other: tuple[float, float], metres: float
) -> None:
    assert distance(Position(*one), Position(*other)) == pytest.approx(metres, rel=1e-9, abs=1e-3)


def test_the_radius_is_the_mean_of_the_half_axes() -> None:
    assert pytest.approx((2 * 6_378_137 + 6_356_752.3141) / 3, abs=1e-3) == MEAN_RADIUS


@pytest.mark.parametrize("latitude", [0, 47, -89])
def test_a_metre_is_a_metre(latitude: float) -> None:
    degree = math.radians(1) * MEAN_RADIUS
    here = Position(latitude, 8)
    assert distance(here, Position(latitude + 1 / degree, 8)) == pytest.approx(1, abs=1e-6)
    east = 8 + 1 / (degree * math.cos(math.radians(latitude)))
    assert distance(here, Position(latitude, east)) == pytest.approx(1, abs=1e-6)


@given(one=positions, other=positions)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_it_is_the_angle_between_two_directions_from_the_centre(
    one: Position, other: Position
) -> None:
    a, b = direction(one), direction(other)
    angle = math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))
    assert distance(one, other) == pytest.approx(angle * MEAN_RADIUS, rel=1e-6, abs=1e-3)
    assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-6)


def direction(position: Position) -> np.ndarray:
    latitude, longitude = math.radians(position.latitude), math.radians(position.longitude)
    level = math.cos(latitude)
    return np.array([level * math.cos(longitude), level * math.sin(longitude), math.sin(latitude)])


def test_of_many_each_is_the_distance_of_two() -> None:
    rng = np.random.default_rng(0)
    latitudes, longitudes = rng.uniform(-90, 90, 50), rng.uniform(-180, 180, 50)
    here = Position(47, 8)
    each = [
        distance(here, Position(float(lat), float(lon)))
        for lat, lon in zip(latitudes, longitudes, strict=True)
    ]
    assert distances(here, latitudes, longitudes).tolist() == each
