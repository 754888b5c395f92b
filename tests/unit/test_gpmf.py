"""What is read of a GoPro's payloads, and what is not believed."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from streamvpr.sources.positions.gpmf import read_payload

from ..gopro import SCALE5, gpri, gps5, gps9, item, longs, nest, payload

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()
DAYS = 9283  # from 2000-01-01 to 2025-06-01
PLACES = [(47.1, 8.5, 400.0), (47.2, 8.6, 401.5), (-33.9, -151.2, -1.0), (0.5, 0.0, 0.0)]


def read(data: bytes, begin: float = 0.0, duration: float = 1.0) -> np.ndarray:
    return read_payload(data, begin=begin, duration=duration)


class TestGps5:
    def test_places_are_scaled_and_spread_over_the_payload(self) -> None:
        found = read(gps5(PLACES), begin=7.0, duration=2.0)
        assert found[:, 0] == pytest.approx([7.0, 7.5, 8.0, 8.5])
        assert found[:, 1:4] == pytest.approx(np.array(PLACES), abs=1e-7)

    def test_its_clock_goes_on_through_the_payload(self) -> None:
        found = read(gps5(PLACES, clock=b"250601120000.250"), begin=7.0, duration=2.0)
        assert found[:, 4] == pytest.approx(NOON + 0.25 + np.array([0, 0.5, 1, 1.5]), abs=1e-4)

    @pytest.mark.parametrize(
        "clock", [None, b"251301120000.000", b"250601120060.000", b"not a clock at  ", bytes(16)]
    )
    def test_without_a_clock_the_places_are_known_all_the_same(self, clock: bytes | None) -> None:
        found = read(gps5(PLACES, clock=clock))
        assert len(found) == 4
        assert np.isnan(found[:, 4]).all()

    @pytest.mark.parametrize(
        ("said", "count"),
        [
            ({"fix": 0}, 0),
            ({"fix": 1}, 0),
            ({"fix": 2}, 4),
            ({"fix": None}, 4),
            ({"dilution": 500}, 4),
            ({"dilution": 501}, 0),
            ({"dilution": 9999}, 0),
            ({"dilution": None}, 4),
        ],
    )
    def test_what_the_receiver_does_not_trust_is_left_out(
        self, said: dict[str, Any], count: int
    ) -> None:
        assert len(read(gps5(PLACES, **said))) == count

    def test_one_divisor_may_serve_all(self) -> None:
        rows = [(47, 8, 400, 0, 0)]
        values = [value * 100 for row in rows for value in row]
        found = read(payload(longs("SCAL", [100]), longs("GPS5", values, of=5)))
        assert found[0, 1:4] == pytest.approx([47, 8, 400])

    @pytest.mark.parametrize(
        "stream",
        [
            (longs("SCAL", SCALE5), longs("GPS5", [1, 2, 3, 4], of=4)),
            (longs("SCAL", SCALE5[:3]), longs("GPS5", [1, 2, 3, 4, 5], of=5)),
            (longs("SCAL", SCALE5), item("GPS5", "?", 20, bytes(20))),
            (longs("SCAL", SCALE5), item("GPS5", "x", 20, bytes(20))),
            (longs("SCAL", SCALE5), item("GPS5", "l", 7, bytes(21))),
            (item("SCAL", "c", 1, b"no number"), longs("GPS5", [1, 2, 3, 4, 5], of=5)),
        ],
        ids=["four axes", "three divisors", "no types", "kind", "size", "text for divisors"],
    )
    def test_another_shape_than_it_should_have_says_nothing(
        self, stream: tuple[bytes, ...]
    ) -> None:
        assert len(read(payload(*stream))) == 0

    def test_a_fix_that_is_no_number_is_none(self) -> None:
        stream = (item("GPSF", "c", 1, b"3"), longs("GPS5", [1, 2, 3, 4, 5], of=5))
        assert len(read(payload(*stream))) == 0

    def test_divisors_of_zero_and_numbers_without_end_harm_nothing(self) -> None:
        rows = struct.pack(">10d", np.nan, np.inf, -np.inf, 1e308, 0, 1, 2, 3, 4, 5)
        for divisors in (longs("SCAL", [0] * 5), item("SCAL", "f", 4, struct.pack(">f", np.nan))):
            found = read(payload(divisors, item("GPS5", "d", 40, rows)))
            assert not np.isfinite(found[:, 1]).any()


class TestGps9:
    ROWS = ((47.1, 8.5, 400.0, DAYS, 43200.0, 1.5, 3), (47.2, 8.6, 401.0, DAYS, 43200.1, 2.0, 2))

    def test_each_has_its_own_clock(self) -> None:
        found = read(gps9(self.ROWS), begin=3.0)
        assert found[:, 0] == pytest.approx([3.0, 3.5])
        assert found[:, 1:4] == pytest.approx(np.array([row[:3] for row in self.ROWS]))
        assert found[:, 4] == pytest.approx([NOON, NOON + 0.1], abs=1e-3)

    def test_each_has_its_own_fix_and_dilution(self) -> None:
        rows = [
            (1.0, 1.0, 0.0, DAYS, 0.0, dilution, fix)
            for dilution, fix in ((1.0, 3), (1.0, 0), (5.01, 3), (99.99, 0), (5.0, 2))
        ]
        assert read(gps9(rows))[:, 0] == pytest.approx([0.0, 0.8])

    @pytest.mark.parametrize("types", [b"", b"lllll", b"lllllllSX", b"l" * 65_000, b"\xff" * 9])
    def test_types_that_fit_nothing_say_nothing(self, types: bytes) -> None:
        assert len(read(gps9(self.ROWS, types=types))) == 0

    def test_types_may_end_in_a_zero(self) -> None:
        assert len(read(gps9(self.ROWS, types=b"lllllllSS\0\0\0"))) == 2

    def test_it_is_taken_before_what_a_camera_writes_beside_it_for_old_readers(self) -> None:
        both = gps5(PLACES) + gps9(self.ROWS)
        assert read(both)[:, 1:4] == pytest.approx(np.array([row[:3] for row in self.ROWS]))
        assert len(read(gps9([(1.0, 1.0, 0.0, DAYS, 0.0, 99.0, 0)]) + gps5(PLACES))) == 0


class TestStructure:
    def test_only_what_stands_in_a_stream_of_a_device_is_a_position(self) -> None:
        bare = longs("GPS5", [470_000_000, 80_000_000, 0, 0, 0], of=5)
        scale = longs("SCAL", SCALE5)
        assert len(read(nest("DEVC", nest("STRM", scale, bare)))) == 1
        for other in (
            bare,
            nest("DEVC", scale, bare),
            nest("STRM", scale, bare),
            nest("DEVC", nest("STRM", nest("STRM", scale, bare))),
            nest("DEVC", nest("OTHR", scale, bare)),
        ):
            assert len(read(other)) == 0

    def test_the_first_device_with_a_receiver_counts(self) -> None:
        assert len(read(gps5(PLACES[:1]) + gps5(PLACES))) == 1
        assert len(read(payload() + gps5(PLACES))) == 4

    def test_zeros_behind_the_payload_end_it(self) -> None:
        assert len(read(gps5(PLACES) + bytes(4096))) == 4

    @pytest.mark.parametrize("data", [b"", b"DEVC", b"no payload", bytes(100), b"fdsc" + bytes(20)])
    def test_what_is_no_payload_says_nothing(self, data: bytes) -> None:
        assert read(data).shape == (0, 5)

    def test_a_payload_cut_off_anywhere_says_nothing_or_less(self) -> None:
        data = gps5(PLACES)
        for length in range(len(data)):
            assert len(read(data[:length])) == 0

    def test_a_length_beyond_the_end_says_nothing(self) -> None:
        huge = b"DEVC\0" + struct.pack(">BH", 255, 65_535)
        assert len(read(huge + gps5(PLACES)[8:])) == 0


class TestGpri:
    def test_a_drone_says_where_it_flies(self) -> None:
        rows = [(*place, fix) for place, fix in zip(PLACES, (3, 3, 1, 2), strict=True)]
        found = read(gpri(rows), begin=7.0, duration=2.0)
        assert found[:, 0] == pytest.approx([7.0, 7.5, 8.5])
        assert found[:, 1:4] == pytest.approx(np.array(PLACES)[[0, 1, 3]], abs=1e-7)
        assert np.isnan(found[:, 4]).all(), "its clock tells how long it has been on"
