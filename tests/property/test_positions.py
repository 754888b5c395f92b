"""Random and damaged bytes in whatever says where footage was taken: no error, bounded work."""

from __future__ import annotations

import io
import math
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from streamvpr.frames import Position
from streamvpr.sources.positions import read_exif
from streamvpr.sources.positions.dji import read_srt
from streamvpr.sources.positions.gpmf import read_payload
from streamvpr.sources.positions.track import BRIDGED_SECONDS, HELD_SECONDS, Track

from ..gopro import gps5, gps9, item, nest

if TYPE_CHECKING:
    from streamvpr.sources.positions import Fix

    Mutations = list[tuple[int, bytes]]

GOPRO = [
    gps5([(47.1, 8.5, 400.0), (47.2, 8.6, 401.0)]),
    gps9([(47.1, 8.5, 400.0, 9283, 43200.0, 1.5, 3)] * 2),
]
SUBTITLES = (
    "1\n00:00:00,000 --> 00:00:01,000\n[latitude: 47.1] [longtitude : 8.5] "
    "[rel_alt: 1.2 abs_alt: 400.1]\n\n"
    "2\n00:00:01,000 --> 00:00:02,000\nGPS(8.5,47.1,19.0M) BAROMETER:0.3M\n\n"
    "3\n00:00:02,000 --> 00:00:03,000\nF/2.8, GPS (8.5, 47.1, 19), D 24m, H 6.4m\n\n"
)
NOTED = {
    ExifTags.GPS.GPSLatitudeRef: "N",
    ExifTags.GPS.GPSLatitude: (47.0, 22.0, 30.0),
    ExifTags.GPS.GPSLongitudeRef: "E",
    ExifTags.GPS.GPSLongitude: (8.0, 32.0, 24.0),
    ExifTags.GPS.GPSAltitudeRef: b"\0",
    ExifTags.GPS.GPSAltitude: 408.5,
    ExifTags.GPS.GPSDateStamp: "2025:06:01",
    ExifTags.GPS.GPSTimeStamp: (12.0, 0.0, 0.0),
}
thorough = settings(deadline=None, derandomize=True, max_examples=300)
mutations = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), max_size=12
)


def image(kind: str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(NOTED)
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, kind, exif=exif.tobytes())
    return target.getvalue()


IMAGES = [image("JPEG"), image("TIFF")]


def mutated(data: bytes, changes: Mutations) -> bytes:
    changed = bytearray(data)
    for at, new in changes:
        at %= len(changed)
        changed[at : at + len(new)] = new
    return bytes(changed)


def assert_fix(fix: Fix) -> None:
    """That it is one, or nothing: what is no position can't be made."""
    if fix.position is not None:
        Position(fix.position.latitude, fix.position.longitude, fix.position.altitude)
        assert (fix.position.latitude, fix.position.longitude) != (0, 0)
    assert fix.taken is None or math.isfinite(fix.taken)


def assert_track(samples: np.ndarray) -> None:
    assert samples.ndim == 2
    assert samples.shape[1] == 5
    track = Track(samples)
    for moment in (-1e9, 0.0, 0.25, 0.5, 1.0, 1e9):
        assert_fix(track.at(moment))


@given(data=st.binary(max_size=400))
@thorough
def test_any_bytes_are_a_payload_without_a_position_or_with(data: bytes) -> None:
    for payload in (data, b"DEVC\0" + data, nest("DEVC", nest("STRM", data))):
        assert_track(read_payload(payload, begin=0.0, duration=1.0))


@given(payload=st.sampled_from(GOPRO), changes=mutations, length=st.integers(0, 2000))
@thorough
def test_damaged_payloads_raise_nothing(payload: bytes, changes: Mutations, length: int) -> None:
    damaged = mutated(payload, changes)
    # What comes first is how cameras are shaken: damage is to meet the receiver's stream, too.
    stream = payload.rindex(b"STRM")
    behind = payload[:stream] + mutated(payload[stream:], changes)
    for data in (damaged, damaged[:length], behind):
        assert_track(read_payload(data, begin=0.0, duration=1.0))


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
@thorough
def test_any_text_is_subtitles_without_a_position_or_with(text: str) -> None:
    assert_track(read_srt(text))
    assert_track(read_srt(f"1\n00:00:00,000 --> 00:00:01,000\n{text}"))


@given(changes=mutations, length=st.integers(0, 400))
@thorough
def test_damaged_subtitles_raise_nothing(changes: Mutations, length: int) -> None:
    damaged = mutated(SUBTITLES.encode(), changes).decode("utf-8", "replace")
    assert_track(read_srt(damaged))
    assert_track(read_srt(damaged[:length]))


@given(data=st.binary(max_size=300))
@thorough
def test_any_bytes_are_an_image_without_a_position_or_with(data: bytes) -> None:
    note = b"\xff\xe1\x02\0Exif\0\0"
    for begin in (b"", b"\xff\xd8", b"II*\0", b"MM\0*", b"\xff\xd8" + note + b"II*\0\x08\0\0\0"):
        assert_fix(read_exif(begin + data))


@given(whole=st.sampled_from(IMAGES), changes=mutations, length=st.integers(0, 900))
@thorough
def test_damaged_notes_raise_nothing(whole: bytes, changes: Mutations, length: int) -> None:
    at = whole.index(b"Exif") if b"Exif" in whole else 0
    damaged = whole[:at] + mutated(whole[at:], changes)
    assert_fix(read_exif(damaged))
    assert_fix(read_exif(damaged[:length]))


def deeply_nested(levels: int) -> bytes:
    data = gps5([(47.1, 8.5, 400.0)])
    for _ in range(levels):
        if len(data) >= 4 * 65_535:
            break
        data = nest("DEVC", data)
    return data


@pytest.mark.parametrize(
    "payload",
    [
        deeply_nested(10_000),
        nest("DEVC", *[nest("STRM")] * 30_000),
        b"DEVC\0\0\0\0" * 130_000,
        nest("DEVC", nest("STRM", item("GPS5", "l", 20, bytes(20 * 12_000)))),
        nest("DEVC", nest("STRM", *[item("SCAL", "b", 1, b"\1")] * 20_000)),
        b"DEVC\0\xff\xff\xff" * 1_000_000,
        gps5([(47.1, 8.5, 400.0)] * 12_000) + bytes(1 << 24),
    ],
    ids=["deep", "streams", "empty", "samples", "items", "huge lengths", "16 MB behind"],
)
def test_payloads_made_to_cost_much_do_not(payload: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    assert_track(read_payload(payload, begin=0.0, duration=1.0))
    spent, (_, most) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 3
    assert most < 32 << 20


moments = st.floats(0, 20).map(lambda seconds: round(seconds, 1))


@given(
    fixes=st.dictionaries(moments, st.tuples(st.floats(-80, 80), st.floats(10, 170)), max_size=12),
    moment=moments,
)
@thorough
def test_a_track_says_what_a_naive_one_says(
    fixes: dict[float, tuple[float, float]], moment: float
) -> None:
    rows = [(at, *place, math.nan, math.nan) for at, place in fixes.items()]
    found = Track(np.array(rows, float).reshape(len(rows), 5)).at(moment).position
    place = None if found is None else (found.latitude, found.longitude)
    assert place == (None if (wanted := naive(fixes, moment)) is None else pytest.approx(wanted))


def naive(fixes: dict[float, tuple[float, float]], moment: float) -> tuple[float, float] | None:
    before = max((at for at in fixes if at <= moment), default=None)
    after = min((at for at in fixes if at >= moment), default=None)
    if before is not None and after is not None and after - before <= BRIDGED_SECONDS:
        share = (moment - before) / (after - before) if after > before else 0.0
        (lat, lon), (north, east) = fixes[before], fixes[after]
        return lat + share * (north - lat), lon + share * (east - lon)
    beside = [at for at in (before, after) if at is not None and abs(at - moment) <= HELD_SECONDS]
    return fixes[min(beside, key=lambda at: abs(at - moment))] if beside else None
