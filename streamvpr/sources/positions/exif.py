"""Positions in the notes that cameras write into images: EXIF, in JPEG and TIFF.

Only what a receiver said is read, from where it stands. A library for all of EXIF would warn of
damage by Python's warnings, which one thread cannot silence without those of others.
"""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime
from typing import NamedTuple

from streamvpr.sources.jpeg_header import read_notes
from streamvpr.sources.positions.base import NOWHERE, Fix
from streamvpr.sources.positions.track import fix_at

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
# Kinds of values, as in TIFF 6.0, and the tags that EXIF gives to what a receiver said.
BYTE, TEXT, LONG, RATIONAL, SIGNED_RATIONAL, DIRECTORY = 1, 2, 4, 5, 10, 13
GPS = 0x8825
LATITUDE_SIGN, LATITUDE, LONGITUDE_SIGN, LONGITUDE = 1, 2, 3, 4
ALTITUDE_SIGN, ALTITUDE, TIME, STATUS, DATE = 5, 6, 7, 9, 29
NORTH, EAST = {"N": 1, "S": -1}, {"E": 1, "W": -1}
# The receiver had no position when the picture was taken; what stands there is an old one.
VOID = "V"
# No text that is asked for is longer; degrees, and a time of day, are three numbers.
MOST_LETTERS, MOST_NUMBERS = 16, 3
DAY = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)")


class Entry(NamedTuple):
    """Where something is noted."""

    kind: int
    number: int
    place: int
    """Of its value, or of what says where that is."""


def read_exif(data: bytes) -> Fix:
    """Where and when an image was taken, by its receiver; damaged notes say nothing."""
    tiff = data if data[:4] in ORDERS else read_notes(data)
    order = None if tiff is None else ORDERS.get(tiff[:4])
    if tiff is None or order is None:
        return NOWHERE
    try:
        return _Notes(tiff, order).fix()
    except struct.error:
        # They are cut off, or point out of themselves.
        return NOWHERE


class _Notes:
    """What a receiver said."""

    def __init__(self, tiff: bytes, order: str) -> None:
        """Raises struct.error where it is not in the data."""
        self._tiff = tiff
        self._order = order
        (first,) = self._unpack("I", 4)
        gps = self._directory(first).get(GPS)
        known = gps is not None and gps.kind in (LONG, DIRECTORY)
        self._entries = self._directory(self._unpack("I", gps.place)[0]) if gps and known else {}

    def fix(self) -> Fix:
        """Where and when."""
        if self._text(STATUS) == VOID:
            return NOWHERE
        return fix_at(
            self._angle(LATITUDE, LATITUDE_SIGN, NORTH),
            self._angle(LONGITUDE, LONGITUDE_SIGN, EAST),
            altitude=self._altitude(),
            taken=self._taken(),
        )

    def _angle(self, tag: int, sign_tag: int, signs: dict[str, int]) -> float:
        """Degrees, of which minutes and seconds may be a part."""
        parts, sign = self._numbers(tag), signs.get(self._text(sign_tag))
        if not parts or sign is None:
            return math.nan
        degrees = 0.0
        for part in reversed(parts):
            degrees = degrees / 60 + part
        return sign * degrees

    def _altitude(self) -> float:
        height = self._numbers(ALTITUDE)
        if not height:
            return math.nan
        entry = self._entries.get(ALTITUDE_SIGN)
        below = entry is not None and entry.kind == BYTE and self._tiff[entry.place] % 2 == 1
        return -height[0] if below else height[0]

    def _taken(self) -> float:
        """By the clock of the satellites, which is UTC."""
        day, parts = DAY.match(self._text(DATE)), self._numbers(TIME)
        if day is None or len(parts) != MOST_NUMBERS:
            return math.nan
        try:
            midnight = datetime(int(day[1]), int(day[2]), int(day[3]), tzinfo=UTC)
        except ValueError:
            return math.nan
        hours, minutes, seconds = parts
        return midnight.timestamp() + hours * 3600 + minutes * 60 + seconds

    def _numbers(self, tag: int) -> list[float]:
        """Empty where there are none; NaN is a number over zero."""
        entry = self._entries.get(tag)
        if entry is None or entry.kind not in (RATIONAL, SIGNED_RATIONAL):
            return []
        pair = "II" if entry.kind == RATIONAL else "ii"
        (first,) = self._unpack("I", entry.place)
        last = first + 8 * min(entry.number, MOST_NUMBERS)
        if last > len(self._tiff):
            return []
        found = (self._unpack(pair, at) for at in range(first, last, 8))
        return [above / below if below else math.nan for above, below in found]

    def _text(self, tag: int) -> str:
        entry = self._entries.get(tag)
        if entry is None or entry.kind != TEXT:
            return ""
        place = entry.place if entry.number <= 4 else self._unpack("I", entry.place)[0]
        letters = self._tiff[place : place + min(entry.number, MOST_LETTERS)]
        return letters.split(b"\0")[0].decode("latin-1").strip()

    def _directory(self, at: int) -> dict[int, Entry]:
        """What is noted from there on, by its tag."""
        (count,) = self._unpack("H", at)
        places = range(at + 2, min(at + 2 + 12 * count, len(self._tiff) - 11), 12)
        entries = ((self._unpack("HHI", place), place + 8) for place in places)
        return {tag: Entry(kind, number, place) for (tag, kind, number), place in entries}

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, self._tiff, at)
