"""What cameras note of where and when, against notes that another program wrote."""

from __future__ import annotations

import io
import struct
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from streamvpr.sources.positions import NOWHERE, read_exif

GPS = ExifTags.GPS
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC).timestamp()
ZURICH = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (47.0, 22.0, 30.0),
    GPS.GPSLongitudeRef: "E",
    GPS.GPSLongitude: (8.0, 32.0, 24.0),
}
CLOCK = {GPS.GPSDateStamp: "2025:06:01", GPS.GPSTimeStamp: (12.0, 0.0, 0.25)}


def image(gps: dict[int, Any], kind: str = "JPEG", **options: Any) -> bytes:
    """An image with those notes, as Pillow writes them."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "made by a test"
    exif[ExifTags.IFD.GPSInfo] = dict(gps)
    target = io.BytesIO()
    picture = Image.new("RGB", (16, 16), (90, 120, 30))
    picture.save(target, kind, exif=exif.tobytes(), **options)
    return target.getvalue()


def in_order(gps: bytes, order: str) -> bytes:
    """A JPEG whose notes are one directory of a receiver, in an order of bytes."""
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    first = struct.pack(f"{order}HHHIII", 1, 0x8825, 4, 1, 26, 0)
    note = b"Exif\0\0" + begin + first + gps
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(note) + 2) + note + b"\xff\xda\0\2"


class TestWhere:
    @pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
    def test_degrees_minutes_and_seconds(self, kind: str) -> None:
        found = read_exif(image(ZURICH, kind)).position
        assert found is not None
        assert (found.latitude, found.longitude) == pytest.approx((47.375, 8.54))
        assert found.altitude is None

    @pytest.mark.parametrize(
        ("north", "east", "signs"),
        [("N", "E", (1, 1)), ("S", "E", (-1, 1)), ("N", "W", (1, -1)), ("S", "W", (-1, -1))],
    )
    def test_signs_are_letters(self, north: str, east: str, signs: tuple[int, int]) -> None:
        found = read_exif(image({**ZURICH, GPS.GPSLatitudeRef: north, GPS.GPSLongitudeRef: east}))
        assert found.position is not None
        assert found.position.latitude == pytest.approx(47.375 * signs[0])
        assert found.position.longitude == pytest.approx(8.54 * signs[1])

    @pytest.mark.parametrize(
        "parts", [(47.375,), (47.0, 22.5), (47.0, 22.5, 0.0), (IFDRational(379, 8), 0, 0)]
    )
    def test_any_part_may_hold_the_fraction(self, parts: tuple[Any, ...]) -> None:
        found = read_exif(image({**ZURICH, GPS.GPSLatitude: parts})).position
        assert found is not None
        assert found.latitude == pytest.approx(47.375)

    @pytest.mark.parametrize(
        ("below", "altitude"), [(b"\0", 408.5), (b"\1", -408.5), (b"\2", 408.5), (b"\3", -408.5)]
    )
    def test_altitude_may_be_below(self, below: bytes, altitude: float) -> None:
        noted = {**ZURICH, GPS.GPSAltitudeRef: below, GPS.GPSAltitude: 408.5}
        found = read_exif(image(noted)).position
        assert found is not None
        assert found.altitude == pytest.approx(altitude)

    def test_an_altitude_without_a_sign_is_above(self) -> None:
        found = read_exif(image({**ZURICH, GPS.GPSAltitude: 408.5})).position
        assert found is not None
        assert found.altitude == pytest.approx(408.5)

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_both_orders_of_bytes(self, order: str) -> None:
        entries = [
            (1, 2, 2, b"S\0\0\0"),
            (2, 5, 3, struct.pack(f"{order}I", 80)),
            (3, 2, 2, b"W\0\0\0"),
            (4, 5, 3, struct.pack(f"{order}I", 104)),
        ]
        gps = struct.pack(f"{order}H", 4)
        gps += b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in entries)
        gps += bytes(4)
        values = struct.pack(f"{order}12I", 47, 1, 22, 1, 3000, 100, 8, 1, 32, 1, 24, 1)
        found = read_exif(in_order(gps + values, order)).position
        assert found is not None
        assert (found.latitude, found.longitude) == pytest.approx((-47.375, -8.54))

    @pytest.mark.parametrize(
        "noted",
        [
            {GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)},
            {GPS.GPSLatitude: (91.0, 0.0, 0.0)},
            {GPS.GPSLongitude: (180.0, 0.0, 1.0)},
            {GPS.GPSLatitudeRef: "X"},
            {GPS.GPSLatitudeRef: ""},
            {GPS.GPSLatitudeRef: "NS"},
            {GPS.GPSLatitude: (IFDRational(47, 0), 0.0, 0.0)},
            {GPS.GPSStatus: "V"},
        ],
    )
    def test_what_is_no_place_is_unknown(self, noted: dict[int, Any]) -> None:
        assert read_exif(image({**ZURICH, **noted})).position is None

    @pytest.mark.parametrize("lacking", list(ZURICH))
    def test_what_lacks_a_part_is_unknown(self, lacking: int) -> None:
        assert read_exif(image({k: v for k, v in ZURICH.items() if k != lacking})) == NOWHERE

    def test_a_fix_that_is_active_is_one(self) -> None:
        assert read_exif(image({**ZURICH, GPS.GPSStatus: "A"})).position is not None


class TestWhen:
    def test_the_clock_is_utc(self) -> None:
        assert read_exif(image({**ZURICH, **CLOCK})).taken == pytest.approx(NOON + 0.25)

    def test_it_is_known_without_a_place(self) -> None:
        found = read_exif(image(CLOCK))
        assert (found.position, found.taken) == (None, pytest.approx(NOON + 0.25))

    @pytest.mark.parametrize(
        "noted",
        [
            {GPS.GPSDateStamp: "2025:13:01"},
            {GPS.GPSDateStamp: "0000:00:00"},
            {GPS.GPSDateStamp: "yesterday"},
            {GPS.GPSTimeStamp: (12.0, 0.0)},
            {GPS.GPSTimeStamp: (IFDRational(1, 0), 0.0, 0.0)},
        ],
    )
    def test_what_is_no_time_is_unknown_and_the_place_is_not(self, noted: dict[int, Any]) -> None:
        found = read_exif(image({**ZURICH, **CLOCK, **noted}))
        assert found.taken is None
        assert found.position is not None

    @pytest.mark.parametrize("lacking", list(CLOCK))
    def test_half_a_time_is_none(self, lacking: int) -> None:
        noted = {k: v for k, v in {**ZURICH, **CLOCK}.items() if k != lacking}
        assert read_exif(image(noted)).taken is None


class TestWithout:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
    def test_an_image_without_notes_says_nothing(self, kind: str) -> None:
        target = io.BytesIO()
        Image.new("RGB", (16, 16)).save(target, kind)
        assert read_exif(target.getvalue()) == NOWHERE

    def test_notes_without_a_receiver_say_nothing(self) -> None:
        assert read_exif(image({})) == NOWHERE

    @pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"no"])
    def test_what_is_no_image_says_nothing(self, data: bytes) -> None:
        assert read_exif(data) == NOWHERE

    def test_other_notes_may_stand_before(self) -> None:
        jpeg = image({**ZURICH})
        other = b"\xff\xe1\0\x20http://ns.adobe.com/xap/1.0/\0\0"
        assert read_exif(jpeg[:2] + other + jpeg[2:]).position is not None

    def test_progressive_jpeg_has_them_too(self) -> None:
        assert read_exif(image(ZURICH, progressive=True)).position is not None


class TestDamage:
    def test_notes_cut_off_anywhere_say_less(self) -> None:
        whole = image({**ZURICH, **CLOCK, GPS.GPSAltitude: 408.5}, "TIFF")
        full = read_exif(whole)
        assert full.position is not None
        assert full.position.altitude == 408.5
        unknown = replace(full.position, altitude=None)
        for length in range(len(whole)):
            assert read_exif(whole[:length]).position in (None, full.position, unknown)

    def test_an_altitude_that_points_out_of_them_costs_no_place(self) -> None:
        tiff = image({**ZURICH, GPS.GPSAltitude: 408.5}, "TIFF")
        at = tiff.index(struct.pack("<HHI", GPS.GPSAltitude, 5, 1)) + 8
        found = read_exif(tiff[:at] + b"\xf0\xff\xff\xff" + tiff[at + 4 :])
        assert found.position is not None
        assert found.position.altitude is None

    def test_a_directory_that_is_its_own_receiver_ends(self) -> None:
        tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8825, 4, 1, 8, 0)
        assert read_exif(tiff) == NOWHERE

    @pytest.mark.parametrize(
        "data",
        [
            b"\xff\xd8" + bytes(8_000_000),
            b"\xff\xd8" + b"\xff\xe0\0\2" * 2_000_000,
            b"\xff\xd8" + b"\xff\xe1\0\2" * 2_000_000,
            b"II*\0\x08\0\0\0\xff\xff" + b"\x25\x88\4\0\1\0\0\0\x08\0\0\0" * 600_000,
        ],
        ids=["zeros", "empty notes", "empty notes of cameras", "directories"],
    )
    def test_data_made_to_take_long_does_not(self, data: bytes) -> None:
        began = time.process_time()
        assert read_exif(data) == NOWHERE
        assert time.process_time() - began < 1
