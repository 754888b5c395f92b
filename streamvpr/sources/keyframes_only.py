"""Whether the keyframes of a live stream are enough."""

from __future__ import annotations

import math

# Rates are announced and kept with some play: 1.0 s between keyframes does for one frame a second.
SLACK = 1.02
# So many groups of pictures in a row must be short enough.
GROUPS = 3


class KeyframePolicy:
    """Decides packet by packet, from what the stream was like so far.

    Keyframes need none of the pictures before them: decoding them alone costs a tenth. It is done
    while they come at least as often as frames are picked. A camera that sets them as it likes may
    stop: then everything is decoded again from the next keyframe on.
    """

    def __init__(self, fps: float, *, forced: bool = False) -> None:
        """`fps` frames a second are picked, 0 for all of them; `forced` decodes no others ever."""
        self._longest = SLACK / fps if fps > 0 else 0.0
        self._forced = forced
        self._short_groups = 0
        self._began: float | None = None
        self._pictures = 0
        self.active = forced

    def wants(self, seconds: float | None, *, is_keyframe: bool) -> bool:
        """Whether the packet with that timestamp is decoded; sets `active`."""
        if self._forced:
            return is_keyframe
        if self._longest == 0:
            return True
        if is_keyframe:
            self._close_group(seconds)
            return True
        self._pictures += 1
        return not self.active

    def forget(self) -> None:
        """Begin anew: another connection may have other groups."""
        self._short_groups, self._began, self._pictures = 0, None, 0
        self.active = self._forced

    def _close_group(self, seconds: float | None) -> None:
        length = math.inf
        if seconds is not None and self._began is not None:
            length = seconds - self._began
        # FFmpeg marks the packet behind a keyframe of several slices as one, too.
        if self._pictures or length > self._longest:
            self._short_groups = self._short_groups + 1 if 0 < length <= self._longest else 0
            self.active = self._short_groups >= GROUPS
            self._began = seconds
        elif self._began is None:
            self._began = seconds
        self._pictures = 0
