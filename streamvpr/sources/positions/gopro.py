"""Positions out of the track that GoPro cameras write beside the pictures."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.errors import StreamVPRError
from streamvpr.sources.container import ReadError
from streamvpr.sources.data_track import DataTrack
from streamvpr.sources.positions.gpmf import read_payload
from streamvpr.sources.positions.track import BRIDGED_SECONDS, Track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.sources.data_track import DataPacket
    from streamvpr.sources.opening import Opening
    from streamvpr.sources.positions.base import Fix

logger = logging.getLogger(__name__)

# How long a payload lasts where the file does not say.
USUAL_SECONDS = 1.0


class GoProPositions:
    """Read as the pictures go, a little ahead of them, so that every frame lies between two fixes.

    The camera stores a second of measurements behind the pictures of that second: whoever met them
    on the way through the file would have to hold back frames, or to guess where they were taken.
    """

    def __init__(self, opening: Opening, index: int) -> None:
        """`index` is that of the track. Nothing is opened before the first look."""
        self._opening = opening
        self._index = index
        self._track: DataTrack | None = None
        self._packets: Iterator[DataPacket] | None = None
        self._near = Track(np.empty((0, 5)))
        # Stream time at which the newest payload begins, and up to which the track was read.
        self._last = self._reached = -math.inf
        self._found = False

    def at(self, time: float) -> Fix:
        """Between the two fixes beside it."""
        if self._packets is None:
            self._packets = self._open(time)
        self._read_up_to(time + BRIDGED_SECONDS, forget_before=time - BRIDGED_SECONDS)
        return self._near.at(time)

    def close(self) -> None:
        """Close the track, and say so where it was of no use."""
        if self._track is None:
            return
        self._track.close()
        self._track = None
        if not self._found:
            logger.info(
                "%s: its GoPro track holds no position of these pictures", self._opening.shown
            )

    def _open(self, time: float) -> Iterator[DataPacket]:
        try:
            self._track = DataTrack(self._opening, self._index)
        except StreamVPRError as error:
            logger.warning("its GoPro track cannot be read, and positions are unknown: %s", error)
            return iter(())
        if time > BRIDGED_SECONDS:
            self._track.seek(time - BRIDGED_SECONDS)
        return self._track.packets()

    def _read_up_to(self, time: float, *, forget_before: float) -> None:
        while self._reached < time:
            packet = self._next()
            if packet is None or packet.seconds <= self._last:
                # The end; or time does not go on, and no more of it can be believed.
                self._reached = math.inf
                return
            lasts = packet.duration or USUAL_SECONDS
            self._last, self._reached = packet.seconds, packet.seconds + lasts
            samples = read_payload(packet.data, begin=packet.seconds, duration=lasts)
            if len(samples):
                self._near = Track(np.concatenate([self._near.since(forget_before), samples]))
                self._found = self._found or len(self._near) > 0

    def _next(self) -> DataPacket | None:
        assert self._packets is not None
        try:
            return next(self._packets, None)
        except ReadError as error:
            logger.warning(
                "%s: its GoPro track cannot be read any further (%s); later positions are unknown",
                self._opening.shown,
                error,
            )
            return None
