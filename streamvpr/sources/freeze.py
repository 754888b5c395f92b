"""Whether a stream that goes on still shows anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from streamvpr.frames import Image

# Share of frames that repeat the one before to the bit, in a picture that is frozen. An encoder
# that gets the same picture again and again repeats it, but for the few that follow a keyframe, in
# which it touches up what it has just sent anew.
REPEATED_SHARE = 0.5
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
        self.forget()

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._since: float | None = None
        self._reference: Image | None = None
        self._frames = self._repeats = 0

    @property
    def since(self) -> float | None:
        """Time of the first frame that showed the present picture."""
        return self._since

    def observe(self, time: float, picture: Comparable) -> bool:
        """Take the next frame, at that time in seconds; whether the picture is frozen."""
        checksum = picture.checksum()
        repeated = checksum == self._last
        self._last = checksum
        if self._since is None or not (repeated or self._looks_alike(picture)):
            self._since, self._reference = time, None
            self._frames = self._repeats = 0
            return False
        if self._reference is None:
            self._reference = picture.coarse()
        self._frames += 1
        self._repeats += repeated
        long_enough = time - self._since >= self._seconds
        return long_enough and self._repeats >= REPEATED_SHARE * self._frames

    def _looks_alike(self, picture: Comparable) -> bool:
        # Ordinary streams never repeat a frame, and pay for no comparison.
        if self._reference is None or self._repeats < REPEATED_SHARE * self._frames:
            return False
        difference = np.abs(picture.coarse().astype(np.int16) - self._reference)
        return int(difference.max()) <= COARSE_TOLERANCE
