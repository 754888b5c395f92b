"""Whether a stream that goes on still shows anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from streamvpr.frames import Image

# So many frames in a row that repeat the one before to the bit are no accident. Cameras that are
# slower than they say, or slow down at night, send each picture up to four times.
RUN = 4
# An encoder that gets the same picture again and again repeats it, but for the few frames after a
# keyframe, in which it touches up what it has just sent anew. More than so many without a run are
# no touch-up.
MOST_TOUCHED_UP = 12
# Grey levels that the coarse picture may differ by in any cell: the encoder's touch, no motion.
COARSE_TOLERANCE = 2


class Comparable(Protocol):
    """A picture that can be compared with another cheaply."""

    def checksum(self) -> int:
        """Equal for pictures that are the same to the bit."""

    def coarse(self) -> Image:
        """A tiny luma image."""


class FreezeDetector:
    """Tells a picture that is sent again and again from one that is taken again and again.

    What a sensor sees is never twice the same to the bit, by its noise, also where nothing moves.
    What can't be told apart: a frozen camera, a test card, a screen on which nothing changes.
    """

    def __init__(self, seconds: float) -> None:
        """Frozen from that many seconds of the same picture on."""
        self._seconds = seconds
        self._last: int | None = None
        self._since: float | None = None
        # The picture as it was, once it has been repeated often enough to be suspected.
        self._reference: Image | None = None
        self._run = self._since_run = 0

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._begin(None)

    @property
    def since(self) -> float | None:
        """Time of the first frame that showed the present picture."""
        return self._since

    def observe(self, time: float, picture: Comparable) -> bool:
        """Take the next frame, at that time in seconds; whether the picture is frozen."""
        checksum = picture.checksum()
        repeated = checksum == self._last
        self._last = checksum
        self._run = self._run + 1 if repeated else 0
        self._since_run = 0 if self._run >= RUN else self._since_run + 1
        if self._since is None or not (repeated or self._looks_alike(picture)):
            self._begin(time)
            return False
        if self._reference is None and self._run >= RUN:
            self._reference = picture.coarse()
        return self._reference is not None and time - self._since >= self._seconds

    def _begin(self, time: float | None) -> None:
        self._since, self._reference = time, None
        self._run = self._since_run = 0

    def _looks_alike(self, picture: Comparable) -> bool:
        # Ordinary streams repeat no frame for long, and pay for no comparison.
        if self._reference is None or self._since_run > MOST_TOUCHED_UP:
            return False
        difference = np.abs(picture.coarse().astype(np.int16) - self._reference)
        return int(difference.max()) <= COARSE_TOLERANCE
