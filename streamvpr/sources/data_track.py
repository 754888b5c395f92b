"""A track of measurements in a video file, read by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError
from av.stream import Discard

from streamvpr.sources.container import ReadError
from streamvpr.sources.opening import open_container, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.sources.opening import Opening


@dataclass(frozen=True, slots=True)
class DataPacket:
    """A piece of the track."""

    seconds: float
    """Stream time at which it begins."""
    duration: float
    """Seconds that it lasts; 0 where the file does not say."""
    data: bytes


class DataTrack:
    """One data track of a file. Not for use by two threads at once.

    It is a reader of its own beside that of the pictures, and FFmpeg passes over all other tracks
    by the file's index: of 858 MB with a minute of pictures, 3.5 MB were read.
    """

    def __init__(self, opening: Opening, index: int) -> None:
        """Open it. Raises SourceOpenError."""
        self._container = open_container(replace(opening, hwaccel=None))
        self._stream = self._container.streams[index]
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all

    def seek(self, seconds: float) -> None:
        """Go to that stream time or before. Where that cannot be done it is read on from where it
        is."""
        try:
            self._container.seek(int(seconds * av.time_base), backward=True)
        except (FFmpegError, OSError):
            return

    def packets(self) -> Iterator[DataPacket]:
        """Those with a time, in their order. Raises ReadError."""
        base = self._stream.time_base
        reason = None
        try:
            for packet in self._container.demux(self._stream):
                if packet.size and packet.pts is not None and base is not None:
                    lasts = float((packet.duration or 0) * base)
                    yield DataPacket(float(packet.pts * base), lasts, bytes(packet))
        except (FFmpegError, OSError) as error:
            reason = reason_of(error)
        if reason is not None:
            raise ReadError(reason)

    def close(self) -> None:
        """Close it; idempotent."""
        self._container.close()
