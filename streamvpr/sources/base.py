"""What every source offers to the pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Frame

# Sums of decimal seconds are not exact in binary: 0.8 + 0.4 is more than 1.2.
TOLERANCE_SECONDS = 1e-6


@dataclass(frozen=True, slots=True)
class Clip:
    """The part of a source that is processed, in seconds from its beginning."""

    start: float = 0.0
    duration: float | None = None

    @property
    def end(self) -> float | None:
        """Where the part ends, in seconds from the beginning; None for all the rest."""
        return None if self.duration is None else self.start + self.duration

    def within(self, beginning: float) -> tuple[float, float]:
        """First and last stream time of the part of a source that begins at that stream time.

        Without `start` the part begins with the first frame there is: an edit list, or a timestamp
        that is missing, can put frames before the beginning that the container announces.
        """
        first = beginning + self.start - TOLERANCE_SECONDS
        last = math.inf if self.duration is None else first + self.duration
        return (first if self.start > 0 else -math.inf), last


class Source(Protocol):
    """A finite sequence of frames, read from one thread.

    It is opened by its constructor, so that whoever holds one holds one that could be opened.
    """

    name: str
    """Names the stream in records."""
    path: str
    """What was opened, safe to print."""
    has_clock: bool
    """Whether its frames have a time."""
    default_fps: float
    """Frames a second of stream time to process where the user names none; 0 is every frame."""

    @property
    def skipped(self) -> int:
        """Images or packets that could not be read so far."""

    @property
    def span(self) -> float | None:
        """Seconds (or images, where there is no clock) to be read; None where unknown."""

    def frames(self) -> Iterator[Frame]:
        """Decode to the end. Raises SourceLost where nothing at all can be read."""

    def close(self) -> None:
        """Let go of the file. Called on the thread that reads; idempotent."""
