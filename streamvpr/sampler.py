"""Which frames become keyframes: by stream time, and by whether the view has changed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Image

# A frame's time and the first one's are both rounded to the container's clock (1 ms in Matroska).
TIME_TOLERANCE_SECONDS = 1.1e-3


class FrameRateSampler:
    """Picks `fps` frames a second of stream time: the first at or after each point of a grid.

    Right for variable frame rates: a gap gives no repeated frames, a burst no extra ones. 0 picks
    every frame, as does a source without a clock.
    """

    def __init__(self, fps: float) -> None:
        if not (fps >= 0 and math.isfinite(fps)):
            raise ValueError(f"fps must be 0 or more, not {fps}")
        self._fps = fps
        self._origin: float | None = None
        self._next_point = 0

    def wants(self, time: float | None) -> bool:
        """Whether the frame at `time` (seconds, increasing) is picked."""
        if self._fps == 0 or time is None:
            return True
        if self._origin is None:
            self._origin = time
        points = (time - self._origin + TIME_TOLERANCE_SECONDS) * self._fps
        if points < self._next_point:
            return False
        self._next_point = math.floor(points) + 1
        return True


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How far back from a query the past is out of bounds."""

    gap: int
    """Least query index - match index, 1 or more."""
    seconds: float | None = None
    """Least query time - match time."""

    def __post_init__(self) -> None:
        if self.gap < 1:
            raise ValueError(f"the gap must be 1 or more, not {self.gap}")


class ExclusionWindow:
    """Follows one stream and knows, for its newest frame, where the admissible past ends."""

    def __init__(self, exclusion: Exclusion) -> None:
        self._exclusion = exclusion
        self._recent: deque[tuple[int, float]] = deque()
        self._end_by_time = 0

    def advance(self, index: int, time: float | None) -> int:
        """Take the next frame; places with an index below the result may match it."""
        end = max(0, index - self._exclusion.gap + 1)
        if self._exclusion.seconds is None or time is None:
            return end
        self._recent.append((index, time))
        while self._recent and time - self._recent[0][1] >= self._exclusion.seconds:
            self._end_by_time = self._recent.popleft()[0] + 1
        return min(end, self._end_by_time)


class StillnessGate:
    """Tells a view that was already kept, so that a parked robot keeps it once.

    Compares a tiny luma image with those of the views seen inside the exclusion window, each
    normalised by its own mean and contrast so that exposure does not count. People who walk
    through a standing camera's picture change few cells; a camera that moves changes many. The
    comparison is with the kept view and not with the frame before, so slow motion adds up.

    A view that was seen inside the window could not be matched anyway, so no closure is lost.
    """

    WIDTH, HEIGHT = 64, 48
    # A cell has changed when it differs by a quarter of the picture's own contrast ...
    CHANGED_CELL = 0.25
    # ... and the view when more than this share of the cells has.
    CHANGED_SHARE = 0.15
    # Contrast (grey levels) below which differences are noise: a dark or blank picture.
    CONTRAST_FLOOR = 8.0
    # Views followed at once; a standing camera alternates between a few.
    MOST_VIEWS = 32

    def __init__(self, exclusion: Exclusion) -> None:
        self._window = ExclusionWindow(exclusion)
        # Kept views, most recently seen last: (index of the place, last seen, normalised luma).
        self._views: list[tuple[int, int, NDArray[np.float32]]] = []

    def observe(self, index: int, time: float | None, luma: Image) -> int | None:
        """Take the next keyframe's (48, 64) uint8 luma.

        Returns the index of the kept view that it still shows, or None for a new view, which is
        kept from now on under `index`.
        """
        end = self._window.advance(index, time)
        self._views = [view for view in self._views if view[1] >= end][-self.MOST_VIEWS :]
        view = self._normalised(luma)
        same = self._nearest(view)
        if same is None:
            self._views.append((index, index, view))
            return None
        kept, _, reference = self._views.pop(same)
        self._views.append((kept, index, reference))
        return kept

    def _nearest(self, view: NDArray[np.float32]) -> int | None:
        if not self._views:
            return None
        kept = np.stack([reference for _, _, reference in self._views])
        difference = (kept - view).reshape(len(kept), -1)
        # Whoever walks in dark clothes moves the picture's mean, and with it all cells alike.
        difference -= _medians(difference)[:, None]
        changed = (np.abs(difference) > self.CHANGED_CELL).mean(axis=1)
        nearest = int(np.argmin(changed))
        return nearest if changed[nearest] <= self.CHANGED_SHARE else None

    def _normalised(self, luma: Image) -> NDArray[np.float32]:
        view = luma.astype(np.float32)
        contrast = max(float(view.std()), self.CONTRAST_FLOOR)
        return np.asarray((view - view.mean()) / contrast, dtype=np.float32)


def _medians(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Medians (N,) of (N, M) numbers, M even; NumPy's own looks for NaN for five times as long."""
    middle = rows.shape[1] // 2
    parted = np.partition(rows, middle, axis=1)
    return np.asarray((parted[:, :middle].max(axis=1) + parted[:, middle]) / 2, np.float32)
