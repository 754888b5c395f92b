"""Fixes between fixes: interpolated, held for a moment, unknown in gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamvpr.frames import Position
from streamvpr.sources.positions import NOWHERE
from streamvpr.sources.positions.track import BRIDGED_SECONDS, HELD_SECONDS, Track

NAN = math.nan


def track(*rows: tuple[float, ...]) -> Track:
    """Of (time, latitude, longitude[, altitude[, taken]])."""
    return Track(np.array([(*row, NAN, NAN)[:5] for row in rows], float).reshape(len(rows), 5))


def place(found: Track, time: float) -> tuple[float, float] | None:
    position = found.at(time).position
    return None if position is None else (position.latitude, position.longitude)


class TestPosition:
    @pytest.mark.parametrize(
        "degrees",
        [(90.1, 0), (-90.1, 0), (0, 180.1), (0, -180.1), (NAN, 0), (0, NAN), (math.inf, 0)],
    )
    def test_what_is_nowhere_on_earth_is_none(self, degrees: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="no latitude and longitude"):
            Position(*degrees)

    @pytest.mark.parametrize("altitude", [NAN, math.inf])
    def test_an_altitude_is_finite_or_unknown(self, altitude: float) -> None:
        with pytest.raises(ValueError, match="altitude"):
            Position(1, 2, altitude)
        assert Position(1, 2).altitude is None

    def test_poles_and_the_date_line_are_places(self) -> None:
        assert Position(-90, 180, -400.0) == Position(latitude=-90, longitude=180, altitude=-400)


class TestBetween:
    def test_a_frame_lies_on_the_line_between_two_fixes(self) -> None:
        found = track((10, 47, 8, 400, 1000), (11, 48, 10, 410, 1001)).at(10.25)
        assert found.position == Position(47.25, 8.5, 402.5)
        assert found.taken == 1000.25

    def test_at_a_fix_it_is_that_one(self) -> None:
        assert place(track((10, 47, 8), (11, 48, 10), (12, 40, 1)), 11) == (48, 10)

    def test_what_one_of_both_does_not_know_is_unknown(self) -> None:
        found = track((10, 47, 8, 400, 1000), (11, 48, 10)).at(10.5)
        assert found.position == Position(47.5, 9)
        assert found.taken is None

    @pytest.mark.parametrize(
        ("begin", "end", "between"),
        [(179.9, -179.9, 180), (-179.9, 179.7, 179.9), (-179.8, 179.9, -179.95), (-90, 89, -0.5)],
    )
    def test_over_the_date_line_it_is_the_short_way(
        self, begin: float, end: float, between: float
    ) -> None:
        found = track((0, 10, begin), (1, 10, end)).at(0.5).position
        assert found is not None
        assert math.remainder(found.longitude - between, 360) == pytest.approx(0, abs=1e-9)
        assert abs(found.longitude) <= 180

    def test_order_does_not_matter_and_the_first_of_one_time_counts(self) -> None:
        found = track((11, 48, 10), (10, 47, 8), (11, 0, 1), (10, 1, 1))
        assert place(found, 10.5) == (47.5, 9)


class TestGaps:
    def test_a_gap_is_not_bridged(self) -> None:
        found = track((0, 10, 10), (BRIDGED_SECONDS + 3, 20, 20))
        end = BRIDGED_SECONDS + 3
        assert place(found, HELD_SECONDS) == (10, 10)
        assert place(found, HELD_SECONDS + 0.01) is None
        assert place(found, end - HELD_SECONDS - 0.01) is None
        assert place(found, end - HELD_SECONDS) == (20, 20)

    def test_just_not_a_gap_is(self) -> None:
        assert place(track((0, 10, 10), (BRIDGED_SECONDS, 20, 20)), BRIDGED_SECONDS / 2) == (15, 15)

    def test_the_first_and_the_last_hold_for_a_moment(self) -> None:
        found = track((10, 47, 8), (11, 48, 10))
        assert place(found, 10 - HELD_SECONDS) == (47, 8)
        assert place(found, 11 + HELD_SECONDS) == (48, 10)
        assert found.at(10 - HELD_SECONDS - 0.01) == found.at(11 + HELD_SECONDS + 0.01) == NOWHERE


class TestNoFix:
    @pytest.mark.parametrize(
        "row",
        [
            (5, 0, 0),
            (5, 91, 8),
            (5, 47, -181),
            (5, NAN, 8),
            (5, 47, NAN),
            (NAN, 47, 8),
            (5, 0, -0.0),
        ],
    )
    def test_what_is_no_fix_is_left_out(self, row: tuple[float, ...]) -> None:
        assert len(track(row)) == 0
        assert len(track(row, (6, 47, 8))) == 1

    def test_the_equator_and_the_meridian_of_greenwich_are_places(self) -> None:
        assert len(track((1, 0, 8), (2, 47, 0))) == 2

    def test_of_none_nothing_is_known(self) -> None:
        assert track().at(0.0) == NOWHERE

    def test_numbers_without_end_are_unknown_and_no_warning(self) -> None:
        found = track((0, 10, 10, math.inf, 1e308), (1, 11, 10, -math.inf, -1e308)).at(0.5)
        assert found.position == Position(10.5, 10)
        found = track((0, 10, 10, 1e308), (1, 11, 10, -1e308)).at(0.5)
        assert found.position is not None
