"""Compressed pictures as an MPEG transport stream (ISO/IEC 13818-1), timestamps as one likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKET = 188
CLOCK = 90_000
# Timestamps have 33 bits and begin at 0 again after 26.5 hours.
WRAP = 1 << 33
PROGRAM, VIDEO = 0x1000, 0x100
# What tracks are said to hold. Few programs decode the second.
H264, AVS3 = 0x1B, 0xD4
# How far the clock of the stream is behind the pictures that are shown by it.
LEAD = CLOCK // 10


class TransportStream:
    """One track. Counts its packets, so that a reader sees which were lost."""

    def __init__(self, codec: int = H264) -> None:
        self._announced = _program(1, 0, codec)
        self._counters: dict[int, int] = {}

    def picture(self, data: bytes, pts: int, *, keyframe: bool) -> list[bytes]:
        """The packets of 188 bytes of a picture in Annex B at `pts` ticks of 90 kHz, and before
        that of a keyframe the tables that say what the stream holds."""
        tables = [self._table(0, _PAT), self._table(PROGRAM, self._announced)] if keyframe else []
        return [*tables, *self._pes(_pes_header(pts % WRAP) + data, pts % WRAP, keyframe=keyframe)]

    def announce(self, tracks: int, version: int) -> bytes:
        """The packet that says that there are so many tracks from now on, up to 30."""
        return self._table(PROGRAM, _program(tracks, version))

    def _table(self, pid: int, section: bytes) -> bytes:
        packet = self._header(pid, start=True, adaptation=False) + b"\0" + section
        return packet.ljust(PACKET, b"\xff")

    def _pes(self, data: bytes, pts: int, *, keyframe: bool) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            field = _clock_field((pts - LEAD) % WRAP, keyframe=keyframe) if at == 0 else b""
            room = PACKET - 4 - len(field)
            left = len(data) - at
            if left < room:
                field = _stuffed(field, room - left)
                room = left
            header = self._header(VIDEO, start=at == 0, adaptation=bool(field))
            yield header + field + data[at : at + room]
            at += room

    def _header(self, pid: int, *, start: bool, adaptation: bool) -> bytes:
        counter = self._counters.get(pid, 0)
        self._counters[pid] = (counter + 1) % 16
        flags = 0x30 if adaptation else 0x10
        return bytes([0x47, (0x40 if start else 0) | pid >> 8, pid & 0xFF, flags | counter])


def _clock_field(ticks: int, *, keyframe: bool) -> bytes:
    flags = 0x10 | (0x40 if keyframe else 0)
    return bytes([7, flags]) + (ticks << 15 | 0x3F << 9).to_bytes(6, "big")


def _stuffed(field: bytes, more: int) -> bytes:
    """An adaptation field that is so many bytes longer."""
    if field:
        return bytes([field[0] + more]) + field[1:] + b"\xff" * more
    if more == 1:
        return b"\0"
    return bytes([more - 1, 0]) + b"\xff" * (more - 2)


def _pes_header(pts: int) -> bytes:
    stamp = bytes(
        [
            0x21 | pts >> 29 & 0x0E,
            pts >> 22 & 0xFF,
            0x01 | pts >> 14 & 0xFE,
            pts >> 7 & 0xFF,
            0x01 | pts << 1 & 0xFE,
        ]
    )
    return b"\0\0\x01\xe0\0\0\x80\x80\x05" + stamp


def _section(body: bytes) -> bytes:
    return body + _crc(body).to_bytes(4, "big")


def _crc(data: bytes) -> int:
    """CRC-32/MPEG-2."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


_PAT = _section(bytes([0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | PROGRAM >> 8, PROGRAM & 0xFF]))


def _program(tracks: int, version: int, codec: int = H264) -> bytes:
    pids = [VIDEO + number for number in range(tracks)]
    listed = b"".join(bytes([codec, 0xE0 | pid >> 8, pid & 0xFF, 0xF0, 0]) for pid in pids)
    head = [0, 1, 0xC1 | version << 1, 0, 0, 0xE0 | VIDEO >> 8, VIDEO & 0xFF, 0xF0, 0]
    return _section(bytes([2, 0xB0, len(head) + len(listed) + 4, *head]) + listed)
