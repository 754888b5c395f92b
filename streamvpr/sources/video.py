"""A video with an end: a file, one that a web server has, or standard input."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from streamvpr.errors import SourceLost
from streamvpr.frames import Frame, StreamEvent, StreamState
from streamvpr.sources.base import Clip, Decoding, report_nothing
from streamvpr.sources.clock import StreamClock
from streamvpr.sources.container import DecodeError, ReadError, VideoContainer
from streamvpr.sources.picture import Scalers
from streamvpr.sources.positions import NoPositions, open_positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.sources.base import Report
    from streamvpr.sources.container import Decoded, Packet
    from streamvpr.sources.opening import Opening
    from streamvpr.sources.positions import Positions

logger = logging.getLogger(__name__)

# A file whose index is broken can fail at each read for ever; this many in a row end it.
MOST_READ_FAILURES = 100
# Encoders round durations, and the last frame lasts a while: less than this is no truncation.
TRUNCATION_SLACK_SECONDS = 1.0
# How far before the start of a clip a seek aims, in turn, until it lands there or before.
SEEK_BACK_SECONDS = (0.0, 5.0, 20.0)


class VideoSource:
    """The frames of one video track, in the order of presentation.

    A packet that cannot be decoded is skipped and counted. A file that ends early gives all that
    can be decoded, and a warning.
    """

    has_clock = True
    default_fps = 2.0
    live = False

    def __init__(
        self,
        opening: Opening,
        *,
        name: str,
        clip: Clip | None = None,
        decoding: Decoding = Decoding.AUTO,
        on_disk: bool = True,
    ) -> None:
        """Open it. What is not `on_disk` is read once, from its beginning."""
        self.name = name
        self.path = opening.shown
        self.on_disk = on_disk
        self.skipped = 0
        self.undecoded = 0
        self.clip = clip or Clip()
        self.report: Report = report_nothing
        self._opening = opening
        self._keyframes_only = decoding == Decoding.KEYFRAMES
        self._stopping = False
        self._scalers = Scalers()
        self._container = VideoContainer(opening, self._scalers)

    @property
    def length(self) -> float | None:
        """Seconds that the file says it lasts; None where it does not say."""
        return self._container.length

    @property
    def span(self) -> float | None:
        """Seconds that will be read; None where the file does not say how long it is."""
        if self.length is None:
            return self.clip.duration
        return max(0.0, min(self.length, self.clip.end or self.length) - self.clip.start)

    @property
    def beginning(self) -> float:
        """Stream time at which the file begins, in seconds."""
        return self._container.beginning

    @property
    def frame_seconds(self) -> float:
        """Seconds between two frames by the rate that the file announces."""
        return self._container.frame_seconds

    def frames(self) -> Iterator[Frame]:
        """Decode the clip. Raises SourceLost where not one frame of the file can be decoded."""
        start, end = self.clip.within(self.beginning)
        clock = StreamClock(self.frame_seconds)
        last: float | None = None
        with closing(self._positions()) as positions:
            for decoded in self._decode_from(start) if self.clip.start > 0 else self._decode():
                if last is None:
                    self._report_connected(decoded)
                last = clock.time(decoded.seconds)
                if last >= end or self._stopping:
                    return
                if last >= start:
                    fix = positions.at(last)
                    yield Frame(
                        last, self.path, decoded.picture, position=fix.position, taken=fix.taken
                    )
        if self._stopping:
            return
        if self.clip.start > 0 and (last is None or last < start):
            logger.warning("%s ends before --start %g s", self.path, self.clip.start)
            return
        self._report_end(last)

    def stop(self) -> None:
        """Decode no more."""
        self._stopping = True

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _positions(self) -> Positions:
        return open_positions(self._opening, self._container) if self.on_disk else NoPositions()

    def _decode_from(self, start: float) -> Iterator[Decoded]:
        """Frames from `start` or earlier on: by seeking where that is right, else from the top.

        A container without an index may land behind the key frame that it looks for, or nowhere.
        """
        if not self.on_disk:
            yield from self._decode()
            return
        for back in SEEK_BACK_SECONDS:
            if not self._container.seek(start - back):
                break
            frames = self._decode()
            first = next(frames, None)
            if first is not None and first.seconds is not None and first.seconds <= start:
                yield first
                yield from frames
                return
            self._reopen()
        logger.info("%s cannot seek; reading up to the start", self.path)
        self._reopen()
        yield from self._decode()

    def _reopen(self) -> None:
        self._container.close()
        self._container = VideoContainer(self._opening, self._scalers)

    def _decode(self) -> Iterator[Decoded]:
        for packet in self._packets():
            try:
                yield from self._decode_one(packet)
            except DecodeError as error:
                self._skip("packet", str(error))

    def _decode_one(self, packet: Packet) -> list[Decoded]:
        if not self._keyframes_only:
            return self._container.decode(packet)
        if packet.is_keyframe or packet.is_flush:
            return self._container.decode_alone(packet)
        self.undecoded += 1
        return []

    def _packets(self) -> Iterator[Packet]:
        failures = 0
        while failures < MOST_READ_FAILURES and not self._stopping:
            try:
                packet = self._container.read()
            except ReadError as error:
                if error.silent:
                    raise SourceLost(f"{self.path} was lost: {error}", url=self.path) from None
                failures += 1
                self._skip("read", str(error))
                continue
            if packet is None:
                return
            failures = 0
            yield packet

    def _skip(self, what: str, reason: str) -> None:
        self.skipped += 1
        if self.skipped == 1:
            logger.warning(
                "%s: skipped a bad %s (%s); more are only counted", self.path, what, reason
            )

    def _report_connected(self, first: Decoded) -> None:
        track = self._container.track(first.picture)
        self.report(
            StreamEvent(StreamState.CONNECTED, track=track, keyframes_only=self._keyframes_only)
        )

    def _report_end(self, last: float | None) -> None:
        if last is None:
            raise SourceLost(
                f"no frame of {self.path} can be decoded ({self._container.codec}); "
                "is the file damaged?",
                url=self.path,
            )
        if self.length is None:
            return
        reached = last + self.frame_seconds - self.beginning
        if reached < self.length - TRUNCATION_SLACK_SECONDS:
            logger.warning(
                "%s ends at %.1f s of the %.1f s that it announces: it is cut off; "
                "all frames before the cut were processed",
                self.path,
                reached,
                self.length,
            )
