"""What a run did, in a line."""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    undescribed: int = 0
    """Frames on which the model failed, or whose pictures had no room in memory."""

    def rounded(self) -> Summary:
        """The same, with times to the millisecond."""
        busy = {stage: round(seconds, 3) for stage, seconds in self.busy.items()}
        return replace(self, seconds=round(self.seconds, 3), busy=busy)

    def __str__(self) -> str:
        rate = self.frames / self.seconds if self.seconds > 0 else 0.0
        skipped = f", {self.skipped} unreadable skipped" if self.skipped else ""
        dropped = f", {self.dropped} dropped by overload" if self.dropped else ""
        failed = f", {self.undescribed} not described" if self.undescribed else ""
        busy = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.busy.items())
        return (
            f"{self.frames} frames, {self.closures} loop closures, {self.places} places{skipped}"
            f"{dropped}{failed} "
            f"in {self.seconds:.1f} s ({rate:.1f} frames/s); busy: {busy}"
        )
