"""One turn: everything that is measured, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.bench.spent import Rate, Spent

if TYPE_CHECKING:
    from streamvpr.bench.serial import StageTimes


@dataclass(frozen=True, slots=True)
class Ran:
    """A whole run, its output to nowhere."""

    frames: int
    """Processed ones, of all sources."""
    still: int
    """Of them those that showed a view already kept: no model ran on them."""
    closures: int
    places: int
    """Those that were remembered at the end."""
    spent: Spent
    busy: dict[str, float]
    """Seconds that each stage worked; they overlap."""

    @property
    def embedded(self) -> int:
        """Frames that the model ran on."""
        return self.frames - self.still

    @property
    def of_all(self) -> Rate:
        """All processed frames in the time of the run."""
        return Rate(self.frames, self.spent)

    @property
    def of_embedded(self) -> Rate:
        """The same time, shared out among the frames that the model ran on."""
        return Rate(self.embedded, self.spent)


@dataclass(frozen=True, slots=True)
class InTurn:
    """A run whose stages worked one after the other."""

    spent: Spent
    stages: dict[str, StageTimes]


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds in which the past is read once."""

    at_end: float
    """As many places as the run had at its end."""
    full: float
    """A ring that is full."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What was measured in it."""

    run: Ran
    serial: InTurn
    bare: dict[int, Rate]
    """The session alone, by the pictures in a batch."""
    decoding: Rate
    reading: Reading
