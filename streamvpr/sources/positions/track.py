"""Fixes one after the other, and what they say of the moments in between."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.frames import Position
from streamvpr.sources.positions.base import NOWHERE, Fix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float64]
    """(N, 5): time in seconds, latitude, longitude, altitude, taken; NaN where unknown."""

TIME, LATITUDE, LONGITUDE, ALTITUDE, TAKEN = range(5)
# Between two fixes that are further apart in seconds the camera may have been anywhere. Cameras
# write at least one a second.
BRIDGED_SECONDS = 3.0
# Beside a gap, before the first fix and after the last one, the nearest holds for so long.
HELD_SECONDS = 1.0


class Track:
    """Fixes in order of time, those left out that are none."""

    def __init__(self, samples: Samples) -> None:
        """In any order; of those of one time the first counts."""
        samples = samples[_is_fix(samples)]
        _, order = np.unique(samples[:, TIME], return_index=True)
        self._samples = samples[order]
        self._times = np.ascontiguousarray(self._samples[:, TIME])

    def __len__(self) -> int:
        return len(self._samples)

    def at(self, time: float) -> Fix:
        """The fix between the two beside that time, on a straight line; the nearest at the ends."""
        after = int(np.searchsorted(self._times, time))
        if after == len(self) or (after == 0 and self._times[0] != time):
            return self._held(min(after, len(self) - 1), time)
        if self._times[after] == time:
            return _fix(self._samples[after].tolist())
        # Plain numbers: those that are too large for their kind are no warning.
        begin, end = self._samples[after - 1 : after + 1].tolist()
        if end[TIME] - begin[TIME] > BRIDGED_SECONDS:
            nearer = after - 1 if time - begin[TIME] <= end[TIME] - time else after
            return self._held(nearer, time)
        return _fix(_between(begin, end, time))

    def close(self) -> None:
        """Nothing is open."""

    def since(self, time: float) -> Samples:
        """Copies of the fixes from that time on."""
        return self._samples[np.searchsorted(self._times, time) :]

    def _held(self, index: int, time: float) -> Fix:
        if index < 0 or abs(self._times[index] - time) > HELD_SECONDS:
            return NOWHERE
        return _fix(self._samples[index].tolist())


def fix_at(latitude: float, longitude: float, *, altitude: float, taken: float) -> Fix:
    """A fix of numbers that may be none, and NaN where unknown: then nothing is known of them.

    0, 0 is what receivers write that have no position, and in the sea.
    """
    position = None
    if (latitude, longitude) != (0, 0):
        height = altitude if math.isfinite(altitude) else None
        with suppress(ValueError):
            position = Position(latitude, longitude, height)
    return Fix(position, taken if math.isfinite(taken) else None)


def _is_fix(samples: Samples) -> NDArray[np.bool_]:
    """(N,) whether each has a time and a place on Earth; 0, 0 is none, as in `fix_at`."""
    latitude, longitude = samples[:, LATITUDE], samples[:, LONGITUDE]
    fixes: NDArray[np.bool_] = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)
    fixes &= (latitude != 0) | (longitude != 0)
    return fixes & np.isfinite(samples[:, TIME])


def _between(begin: Sequence[float], end: Sequence[float], time: float) -> list[float]:
    share = (time - begin[TIME]) / (end[TIME] - begin[TIME])
    steps = [last - first for first, last in zip(begin, end, strict=True)]
    # The short way, which may lead over the line where the day changes.
    steps[LONGITUDE] = _turned(steps[LONGITUDE])
    between = [first + share * step for first, step in zip(begin, steps, strict=True)]
    between[LONGITUDE] = _turned(between[LONGITUDE])
    return between


def _turned(degrees: float) -> float:
    """The same angle, from -180 to 180."""
    return degrees - math.copysign(360, degrees) if abs(degrees) > 180 else degrees


def _fix(sample: Sequence[float]) -> Fix:
    _, latitude, longitude, altitude, taken = sample
    return fix_at(latitude, longitude, altitude=altitude, taken=taken)
