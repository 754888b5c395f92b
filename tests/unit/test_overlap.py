"""The share of a view that two pictures have in common."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.geometry.overlap import view_overlap

SIZE = (640, 480)
CORNER = np.random.default_rng(0).uniform([0, 0], [120, 90], (40, 2)).astype(np.float32)
SPREAD = np.random.default_rng(0).uniform([0, 0], [640, 480], (40, 2)).astype(np.float32)


@pytest.mark.parametrize("points", [CORNER, SPREAD])
@pytest.mark.parametrize(
    ("shift", "share"),
    [((0, 0), 1), ((320, 0), 0.5), ((0, -120), 0.75), ((-320, 240), 0.25), ((700, 0), 0)],
)
def test_shifted_views(points: np.ndarray, shift: tuple[int, int], share: float) -> None:
    assert view_overlap(points, points + np.float32(shift), SIZE, SIZE) == pytest.approx(
        share, abs=0.03
    )


def test_a_detail_of_the_other_view_is_all_in_common() -> None:
    assert view_overlap(SPREAD, SPREAD / 4 + 100, SIZE, SIZE) == 1
    assert view_overlap(SPREAD / 4 + 100, SPREAD, SIZE, SIZE) == 1


def test_pictures_of_different_sizes() -> None:
    half = (SPREAD / 2).astype(np.float32)
    assert view_overlap(SPREAD, half, SIZE, (320, 240)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("degrees", [0, 37, 90, 180])
def test_a_turned_view_about_the_middle(degrees: float) -> None:
    turn = np.deg2rad(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    square = (480, 480)
    turned = ((SPREAD - 240) @ rotation.T + 240).astype(np.float32)
    share = view_overlap(SPREAD, turned, square, square)
    if degrees % 90 == 0:
        assert share == pytest.approx(1, abs=0.03)
    else:
        assert 0.8 < share < 0.95


@pytest.mark.parametrize(
    "points", [np.zeros((8, 2)), np.full((8, 2), 7.0), np.column_stack([np.arange(8), np.zeros(8)])]
)
def test_degenerate_points_give_a_share(points: np.ndarray) -> None:
    for one, other in ((points, SPREAD[:8]), (SPREAD[:8], points), (points, points)):
        share = view_overlap(one.astype(np.float32), other.astype(np.float32), SIZE, SIZE)
        assert 0 <= share <= 1
