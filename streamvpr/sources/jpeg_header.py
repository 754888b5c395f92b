"""What JPEG data says of itself before its pixels begin."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START, END = b"\xff\xd8", b"\xff\xd9"
# Markers, as in ITU-T T.81.
HUFFMAN, QUANTISATION, RESTARTS, BASELINE, SCAN = 0xFFC4, 0xFFDB, 0xFFDD, 0xFFC0, 0xFFDA
NEEDED = frozenset({HUFFMAN, QUANTISATION, BASELINE})
# What cameras, programs and people note down.
NOTES = frozenset({*range(0xFFE0, 0xFFF0), 0xFFFE})
CAMERA = 0xFFE1
ADOBE = 0xFFEE
# The byte with which Adobe's note ends.
ADOBE_LUMA_AND_COLOUR = b"\x01"
BITS = 8
GREY, LUMA_AND_COLOUR = 1, 3
EXIF = b"Exif\0\0"
# Cameras note what they have to say at the beginning, and few things before it.
MOST_SEGMENTS = 64
ORIENTATION = 0x0112
# Anticlockwise, by orientation: those that are turns, and one that says nothing.
QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}
MIRRORED = frozenset({2, 4, 5, 7})


@dataclass(frozen=True, slots=True)
class PlainJpeg:
    """Baseline JPEG: one scan, 8 bits, grey or luma and colour, turned at the most."""

    data: bytes
    """Tables and pixels, without the notes: decoders differ in what they make of those."""
    quarter_turns: int
    """Anticlockwise turns to the upright picture."""


def read_plain(data: bytes) -> PlainJpeg | None:
    """The plain JPEG that it is; None for what is cut off, mirrored or of a rarer kind."""
    kept, seen = [START], set()
    components = turns = 0
    for marker, begin, end in _segments(data):
        body = data[begin + 4 : end]
        seen.add(marker)
        if marker == SCAN:
            whole = data.rfind(END, end) >= 0
            if not (whole and seen >= NEEDED and components and body[:1] == bytes([components])):
                return None
            return PlainJpeg(b"".join([*kept, data[begin:]]), turns)
        if marker in NOTES:
            found = _turns(marker, body)
            if found is None:
                return None
            turns = turns or found
            continue
        if marker == BASELINE:
            components = _components(body)
        elif marker not in (HUFFMAN, QUANTISATION, RESTARTS):
            return None
        kept.append(data[begin:end])
    return None


def read_notes(data: bytes) -> bytes | None:
    """What its camera noted, as TIFF; None where it is no JPEG, or its camera noted nothing."""
    for marker, begin, end in islice(_segments(data), MOST_SEGMENTS):
        if marker == CAMERA and data.startswith(EXIF, begin + 4, end):
            return data[begin + 4 + len(EXIF) : end]
        if marker == SCAN:
            return None
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of each segment, as long as they join on."""
    begin = len(START) if data.startswith(START) else len(data)
    while begin + 4 < len(data):
        marker, length = struct.unpack_from(">HH", data, begin)
        yield marker, begin, begin + 2 + length
        begin += 2 + length


def _components(body: bytes) -> int:
    """How many components a frame's header names; 0 for what is not plain."""
    if len(body) < 6 or body[0] != BITS or len(body) != 6 + 3 * body[5]:
        return 0
    return body[5] if body[5] in (GREY, LUMA_AND_COLOUR) and body[6::3] != b"RGB" else 0


def _turns(marker: int, note: bytes) -> int | None:
    """Quarter turns that a note asks for; None where it asks for more than that."""
    if marker == ADOBE and note.startswith(b"Adobe"):
        return 0 if note[11:] == ADOBE_LUMA_AND_COLOUR else None
    if not note.startswith(EXIF):
        return 0
    try:
        orientation = _orientation(note[len(EXIF) :])
    except (struct.error, KeyError):
        return None
    return None if orientation in MIRRORED else QUARTER_TURNS.get(orientation, 0)


def _orientation(tiff: bytes) -> int:
    """What the notes of a camera say, 0 where they don't. Raises struct.error, KeyError."""
    order = {b"II": "<", b"MM": ">"}[tiff[:2]]
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    for place in range(first + 2, first + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, place)
        if tag == ORIENTATION:
            return int(value)
    return 0
