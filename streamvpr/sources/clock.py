"""Stream time from presentation timestamps that may be missing or go back."""

from __future__ import annotations

import math

# A step back of more than this is a new beginning (a wrapped counter, spliced recordings);
# less is jitter of the muxer.
DISCONTINUITY_SECONDS = 1.0


class StreamClock:
    """Makes times strictly increasing without moving those that already are.

    A missing or repeated timestamp counts as one frame later. After a jump back, time goes on
    from where it was, and later timestamps are shifted by as much.
    """

    def __init__(self, frame_seconds: float) -> None:
        self._frame_seconds = frame_seconds
        self._offset = 0.0
        self._last: float | None = None

    def time(self, pts: float | None) -> float:
        """Stream time in seconds of a frame with this timestamp (seconds, None where missing)."""
        self._last = self._next(pts)
        return self._last

    def _next(self, pts: float | None) -> float:
        if self._last is None:
            return 0.0 if pts is None else pts
        expected = self._last + self._frame_seconds
        if pts is None:
            return expected
        shifted = pts + self._offset
        if shifted > self._last:
            return shifted
        if self._last - shifted > DISCONTINUITY_SECONDS:
            self._offset = expected - pts
            return expected
        # Half a frame leaves room for a following timestamp that is right.
        return self._last + min(self._frame_seconds / 2, 1e-3)


class LiveClock:
    """Stream time of a live source: its own timestamps while it lasts, the wall in between.

    The first frame is at 0. Within a connection time goes on by PTS, however unevenly frames
    arrive; over an outage, and where timestamps jump, by what passed here since the last frame.
    Strictly increasing.
    """

    # A timestamp that runs ahead of the time that passed by more than this is a new beginning: a
    # camera's clock was set.
    JUMP_SECONDS = 10.0

    def __init__(self) -> None:
        self._frame_seconds = 0.04
        self._offset: float | None = None
        self._last = -1.0
        self._arrived = 0.0
        self._fresh = True

    @property
    def last(self) -> float | None:
        """Stream time of the newest frame; None before the first."""
        return self._last if self._last >= 0 else None

    def at(self, now: float) -> float:
        """Stream time at a reading of the monotonic clock, by the newest frame; -inf before it."""
        return self._last + now - self._arrived if self._last >= 0 else -math.inf

    def connect(self, frame_seconds: float) -> None:
        """Begin a connection that announces this time between frames: timestamps start anew."""
        self._frame_seconds = frame_seconds
        self._offset = None
        self._fresh = True

    def time(self, pts: float | None, arrival: float) -> float:
        """Stream time of the next frame, by its timestamp and a monotonic clock, in seconds."""
        time = self._next(pts, arrival)
        self._last, self._arrived, self._fresh = time, arrival, False
        return time

    def _next(self, pts: float | None, arrival: float) -> float:
        if self._last < 0:
            self._offset = None if pts is None else -pts
            return 0.0
        passed = arrival - self._arrived
        if pts is None:
            return self._last + max(passed, 1e-3)
        if self._offset is not None:
            step = pts + self._offset - self._last
            if 0 < step <= passed + self.JUMP_SECONDS:
                return self._last + step
            if -DISCONTINUITY_SECONDS <= step <= 0:
                # Half a frame leaves room for a following timestamp that is right.
                return self._last + min(self._frame_seconds / 2, 1e-3)
        # RTSP's first picture often has no timestamp, and comes together with the next.
        together = not self._fresh and passed < 2 * self._frame_seconds
        time = self._last + (self._frame_seconds if together else passed)
        time = max(time, self._last + 1e-3)
        self._offset = time - pts
        return time


class SendingClock:
    """When a frame was sent, from its stream time and when it arrived.

    What arrives late was held up on the way: a burst after a stall holds old pictures. The least
    delay of the last minutes is that of the way itself, which cannot be told from the two clocks'
    difference, and counts as none.
    """

    WINDOW_SECONDS = 60.0

    def __init__(self) -> None:
        self._began: float | None = None
        self._before = self._now = float("inf")

    def connect(self) -> None:
        """Begin anew: over an outage stream time is a guess."""
        self._began = None
        self._before = self._now = float("inf")

    def sent(self, time: float, arrival: float) -> float:
        """When a frame of that stream time was sent, on the clock of `arrival`; never later."""
        if self._began is None or arrival - self._began >= self.WINDOW_SECONDS:
            self._began, self._before = arrival, self._now
            self._now = float("inf")
        self._now = min(self._now, arrival - time)
        return time + min(self._before, self._now)
