"""What every kind of positions offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streamvpr.frames import Position


@dataclass(frozen=True, slots=True)
class Fix:
    """What a receiver said at one moment."""

    position: Position | None = None
    taken: float | None = None
    """By its clock, in seconds of Unix time."""


NOWHERE = Fix()


class Positions(Protocol):
    """Where a video was taken, frame by frame."""

    def at(self, time: float) -> Fix:
        """What is known of the moment at that stream time in seconds; times never go back."""

    def close(self) -> None:
        """Let go of the file. Idempotent."""


class NoPositions:
    """Of a video that says nothing."""

    def at(self, time: float) -> Fix:
        """Nothing is known."""
        return NOWHERE

    def close(self) -> None:
        """Nothing is open."""
