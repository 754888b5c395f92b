"""The libraries that a shared library needs, read from the file without loading it."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOAD, DYNAMIC = 1, 2
END, NEEDED, STRING_TABLE = 0, 1, 5


def needed_libraries(path: Path) -> list[str]:
    """Names such as `libcudart.so.13`, in the order of the file; none where it is no 64-bit ELF.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(6) != b"\x7fELF\x02\x01":
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return list(_needed(data))
            except (struct.error, StopIteration, RuntimeError):  # cut off
                return []


def _needed(data: mmap.mmap) -> Iterator[str]:
    segments = list(_segments(data))
    dynamic = next((s for s in segments if s[0] == DYNAMIC), None)
    if dynamic is None:
        return
    entries = list(_entries(data, dynamic[1]))
    address = next(value for tag, value in entries if tag == STRING_TABLE)
    table = next(
        offset + address - start
        for kind, offset, start, size in segments
        if kind == LOAD and start <= address < start + size
    )
    for tag, value in entries:
        if tag == NEEDED:
            begin = table + value
            yield data[begin : data.find(b"\0", begin)].decode("ascii", "replace")


def _segments(data: mmap.mmap) -> Iterator[tuple[int, int, int, int]]:
    """(type, offset in the file, address, bytes in the file) of each program header."""
    (headers,) = struct.unpack_from("<Q", data, 32)
    length, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, offset, address, _, size = struct.unpack_from(
            "<IIQQQQ", data, headers + index * length
        )
        yield kind, offset, address, size


def _entries(data: mmap.mmap, offset: int) -> Iterator[tuple[int, int]]:
    """(tag, value) of the dynamic section."""
    while True:
        tag, value = struct.unpack_from("<qQ", data, offset)
        if tag == END:
            return
        yield tag, value
        offset += 16
