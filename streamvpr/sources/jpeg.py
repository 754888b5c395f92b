"""Plain JPEG data in its own planes: a third of the cost of its colours in full size."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

START, END = b"\xff\xd8", b"\xff\xd9"
BASELINE, SCAN = 0xFFC0, 0xFFDA
TABLES = frozenset({0xFFC4, 0xFFDB, 0xFFDD})
# What cameras, programs and people note down.
NOTES = frozenset({*range(0xFFE0, 0xFFF0), 0xFFFE})
BITS = 8
GREY, LUMA_AND_COLOUR = 1, 3
ADOBE = 0xFFEE
# The byte with which Adobe's note ends.
ADOBE_LUMA_AND_COLOUR = 1
EXIF = b"Exif\0\0"
ORIENTATION = 0x0112
MIRRORED = frozenset({2, 4, 5, 7})
PIXELS = frozenset({"gray", "yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p"})


def decode_planes(data: bytes) -> VideoFrame | None:
    """The picture, as stored, with its orientation beside it.

    None for whatever is damaged, mirrored or of a rare kind, which another decoder is to judge.
    """
    if not is_plain(data):
        return None
    # One for each picture, 0.03 ms: it knows no tables of the picture before.
    context = CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode"}
    try:
        frames = context.decode(av.Packet(data))
    except (FFmpegError, OSError):
        return None
    for frame in frames:
        if isinstance(frame, VideoFrame) and frame.format.name in PIXELS:
            return frame
    return None


def is_plain(data: bytes) -> bool:
    """Whether it is baseline JPEG: one scan, 8 bits, grey or luma and colour, not cut off.

    A picture that lies on its side is plain, and a mirrored one is not.
    """
    components = 0
    for marker, body, end in _segments(data):
        if marker == BASELINE:
            components = _components(body)
        elif marker == SCAN:
            return components > 0 and body[0] == components and data.find(END, end) > 0
        elif marker not in TABLES and not (marker in NOTES and _harmless(marker, body)):
            return False
    return False


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker and contents of each segment, and where it ends, as long as they join on."""
    position = len(START) if data.startswith(START) else len(data)
    while position + 4 < len(data):
        marker, length = struct.unpack_from(">HH", data, position)
        end = position + 2 + length
        yield marker, data[position + 4 : end], end
        position = end


def _harmless(marker: int, body: bytes) -> bool:
    """Whether a note leaves the pixels what they are, or turns them only."""
    if marker == ADOBE and body.startswith(b"Adobe"):
        return body[11:] == bytes([ADOBE_LUMA_AND_COLOUR])
    return not (body.startswith(EXIF) and _mirrored(body))


def _components(body: bytes) -> int:
    """How many components a frame's header names; 0 for what is not plain."""
    if len(body) < 6 or body[0] != BITS or len(body) != 6 + 3 * body[5]:
        return 0
    names = body[6::3]
    return body[5] if body[5] in (GREY, LUMA_AND_COLOUR) and names != b"RGB" else 0


def _mirrored(exif: bytes) -> bool:
    """Whether the camera's notes ask for more than a turn; also where they can't be understood."""
    tiff = exif[len(EXIF) :]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return True
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        entries = [
            struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * i) for i in range(count)
        ]
    except struct.error:
        return True
    return any(tag == ORIENTATION and value in MIRRORED for tag, _, _, value in entries)
