"""What a run did, in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream


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


class ClosureCounter:
    """A sink that counts."""

    def __init__(self) -> None:
        self.closures = 0

    def write(self, decision: Decision) -> None:
        """Decisions are not counted."""

    def write_closure(self, decision: Decision) -> None:
        """Count a closure that is reported."""
        self.closures += 1

    def write_event(self, event: Stream | Health) -> None:
        """Beginnings and ends are not counted."""

    def close(self) -> None:
        """Nothing is open."""
