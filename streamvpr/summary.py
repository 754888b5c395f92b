"""What a run did, in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from streamvpr.frames import Decision


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    frames: int
    """Frames that were processed, of all streams."""
    closures: int
    places: int
    """Places that are remembered at the end."""
    skipped: int
    """Images and packets that could not be read."""
    dropped: int
    """Live frames that came faster than the model took them."""
    seconds: float
    busy: dict[str, float]
    """Seconds that each stage worked; they overlap."""

    def __str__(self) -> str:
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        skipped = f", {self.skipped} unreadable skipped" if self.skipped else ""
        dropped = f", {self.dropped} dropped by overload" if self.dropped else ""
        busy = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.busy.items())
        return (
            f"{self.frames} frames, {self.closures} loop closures, {self.places} places{skipped}"
            f"{dropped} "
            f"in {self.seconds:.1f} s ({rate:.1f} frames/s); busy: {busy}"
        )


class ClosureCounter(Sink):
    """A sink that counts."""

    def __init__(self) -> None:
        self.closures = 0

    def write_closure(self, decision: Decision) -> None:
        """Count a closure that is reported."""
        self.closures += 1
