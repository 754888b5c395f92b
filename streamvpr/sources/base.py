"""What every source offers to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Frame


@dataclass(frozen=True, slots=True)
class Clip:
    """The part of a source that is processed, in seconds from its beginning."""

    start: float = 0.0
    duration: float | None = None

    @property
    def end(self) -> float | None:
        """Where the part ends, in seconds from the beginning; None for all the rest."""
        return None if self.duration is None else self.start + self.duration


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
