"""Positions in the payloads that GoPro cameras write: the format GPMF.

After its public description, github.com/gopro/gpmf-parser: keys, lengths and values, big endian and
padded to four bytes; devices hold streams, and those values that each are told by what stands
before them.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streamvpr.sources.positions.track import Samples

HEADER = struct.Struct(">4scBH")
NESTED = b"\0"
COMPLEX = b"?"
# Kinds of numbers by their letter. Those that no receiver uses are not here.
NUMBERS = {
    "b": ">i1",
    "B": ">u1",
    "s": ">i2",
    "S": ">u2",
    "l": ">i4",
    "L": ">u4",
    "j": ">i8",
    "J": ">u8",
    "f": ">f4",
    "d": ">f8",
}
# A receiver that sees too few satellites says how far off it may be; GoPro calls less than 5 good.
MOST_DILUTION = 5.0
LEAST_FIX = 2  # 2: in the plane, 3: with altitude, 0: none
DILUTION_UNITS = 100
# Of GPS5: latitude, longitude, altitude, and two speeds. Of GPS9 those, days and seconds, dilution
# and fix.
GPS5_AXES, GPS9_AXES = 5, 9
DAYS, SECONDS, DILUTION, FIX = 5, 6, 7, 8
# Of GPRI, which the Karma drone writes: seconds since it was switched on, latitude, longitude,
# altitude, how far off those may be, speed, course, fix, satellites.
GPRI_AXES, GPRI_FIX = 10, 8
EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
SECONDS_A_DAY = 86400
CLOCK = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d{1,6})?")
# A second of all that a camera measures is some ten thousand bytes.
MOST_BYTES = 1 << 20


class Item(NamedTuple):
    """One value and what it says of itself."""

    key: bytes
    kind: bytes
    size: int
    """Bytes of one of the things that it holds."""
    value: bytes


def read_payload(data: bytes, *, begin: float, duration: float) -> Samples:
    """(N, 5) fixes of a payload that lasts from `begin` for `duration` seconds, evenly spread.

    Columns as in Track; those that the receiver says not to trust are left out, and damage ends
    what is read. Of several ways in which a camera writes the same, the one that says most.
    """
    streams: dict[bytes, dict[bytes, Item]] = {}
    for device in _items(data[:MOST_BYTES], only=b"DEVC"):
        for stream in _items(device.value, only=b"STRM"):
            found = {item.key: item for item in _items(stream.value)}
            for key in (b"GPS9", b"GPS5", b"GPRI"):
                if key in found:
                    streams.setdefault(key, found)
    # Numbers of damaged payloads overflow, and are no positions then.
    with np.errstate(all="ignore"):
        if b"GPS9" in streams:
            return _gps9(streams[b"GPS9"], begin, duration)
        if b"GPS5" in streams:
            return _gps5(streams[b"GPS5"], begin, duration)
        if b"GPRI" in streams:
            return _gpri(streams[b"GPRI"], begin, duration)
    return np.empty((0, 5))


def _items(data: bytes, only: bytes | None = None) -> Iterator[Item]:
    """The items that stand one after the other; those of a key are nested ones."""
    at = 0
    while at + HEADER.size <= len(data):
        key, kind, size, repeat = HEADER.unpack_from(data, at)
        begin = at + HEADER.size
        end = begin + size * repeat
        if end > len(data) or key == b"\0\0\0\0":
            return
        if only is None or (key == only and kind == NESTED):
            yield Item(key, kind, size, data[begin:end])
        at = begin + -(-size * repeat // 4) * 4


def _gps9(stream: dict[bytes, Item], begin: float, duration: float) -> Samples:
    values = _scaled(stream, b"GPS9", GPS9_AXES)
    fixes = np.empty((len(values), 5))
    fixes[:, 0] = begin + duration * _shares(values)
    fixes[:, 1:4] = values[:, :3]
    fixes[:, 4] = EPOCH_2000 + values[:, DAYS] * SECONDS_A_DAY + values[:, SECONDS]
    return fixes[(values[:, FIX] >= LEAST_FIX) & (values[:, DILUTION] <= MOST_DILUTION)]


def _gps5(stream: dict[bytes, Item], begin: float, duration: float) -> Samples:
    dilution = _one(stream, b"GPSP", 0) / DILUTION_UNITS
    if not (_one(stream, b"GPSF", LEAST_FIX) >= LEAST_FIX and dilution <= MOST_DILUTION):
        return np.empty((0, 5))
    values = _scaled(stream, b"GPS5", GPS5_AXES)
    passed = duration * _shares(values)
    fixes = np.empty((len(values), 5))
    fixes[:, 0] = begin + passed
    fixes[:, 1:4] = values[:, :3]
    fixes[:, 4] = _clock(stream) + passed
    return fixes


def _gpri(stream: dict[bytes, Item], begin: float, duration: float) -> Samples:
    values = _scaled(stream, b"GPRI", GPRI_AXES)
    fixes = np.full((len(values), 5), np.nan)
    fixes[:, 0] = begin + duration * _shares(values)
    fixes[:, 1:4] = values[:, 1:4]
    return fixes[values[:, GPRI_FIX] >= LEAST_FIX]


def _shares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) how much of the payload has passed at each of its fixes."""
    return np.arange(len(values)) / max(1, len(values))


def _scaled(stream: dict[bytes, Item], key: bytes, axes: int) -> NDArray[np.float64]:
    """(N, axes) numbers in the units of the description; (0, axes) where they are none."""
    values = _numbers(stream[key], stream.get(b"TYPE"))
    divisors = _numbers(stream[b"SCAL"]).ravel() if b"SCAL" in stream else np.ones(1)
    if values.shape[1] != axes or len(divisors) not in (1, axes):
        return np.empty((0, axes))
    return values / divisors


def _one(stream: dict[bytes, Item], key: bytes, absent: float) -> float:
    """The number of a key; NaN where it is none."""
    if key not in stream:
        return absent
    found = _numbers(stream[key])
    return float(found.flat[0]) if found.size else np.nan


def _numbers(item: Item, types: Item | None = None) -> NDArray[np.float64]:
    """(N, K) numbers, K of them in each thing; (0, 0) where it holds others, or none."""
    letters = item.kind.decode("latin-1")
    if item.kind == COMPLEX:
        letters = "" if types is None else types.value.rstrip(b"\0").decode("latin-1")
    elif letters in NUMBERS:
        letters *= item.size // np.dtype(NUMBERS[letters]).itemsize
    # Each takes a byte at least.
    if not 0 < len(letters) <= item.size or any(letter not in NUMBERS for letter in letters):
        return np.empty((0, 0))
    form = np.dtype([(str(place), NUMBERS[letter]) for place, letter in enumerate(letters)])
    if form.itemsize != item.size:
        return np.empty((0, 0))
    things = np.frombuffer(item.value, form)
    return np.stack([things[name].astype(np.float64) for name in form.names or ()], axis=1)


def _clock(stream: dict[bytes, Item]) -> float:
    """Unix time at the beginning of the payload, by the receiver; NaN where it does not say."""
    match = CLOCK.match(stream[b"GPSU"].value) if b"GPSU" in stream else None
    if match is None:
        return np.nan
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return np.nan
    return moment.timestamp() + float(match[7] or 0)
