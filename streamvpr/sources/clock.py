"""Stream time from presentation timestamps that may be missing or go back."""

from __future__ import annotations

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
