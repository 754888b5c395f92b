"""What the driver and the actor of a stream say to each other: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.frames import Decision

if TYPE_CHECKING:
    from streamvpr.errors import StreamVPRError

Emitted = Decision | records.Stream | records.Health


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source turned out to be, and where it is read."""

    path: str
    """What was opened, safe to print."""
    has_clock: bool
    live: bool
    on_disk: bool
    span: float | None


@dataclass(frozen=True, slots=True)
class Said:
    """A line of an actor's log."""

    logger: str
    level: int
    message: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a stream had come when its actor was lost."""

    told: int = 0
    """Decisions and events that the driver has: a source that is read again tells the rest."""
    index: int = -1
    """Of the newest decision's frame."""
    loop_id: int = -1
    """The largest one that was given."""
    time: float | None = None
    """Stream time of that frame in seconds."""
    origin: float | None = None
    """Unix time at which a live stream's time was 0."""


@dataclass(frozen=True, slots=True)
class Request:
    """Asks for what comes next."""

    life: str
    """The life of the actor that the driver knows; empty for none yet."""
    serial: int
    """Number of the last batch of that life that came."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What an actor did in its present life."""

    processed: int = 0
    places: int = 0
    skipped: int = 0
    dropped: int = 0
    busy: dict[str, float] = field(default_factory=dict)
    stuck_for: float = 0.0
    undescribed: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since the last one; nothing, where nothing came for a while."""

    life: str
    """Another one after the actor was started again."""
    node: str
    serial: int
    items: list[Emitted | Said]
    tally: Tally
    ended: bool
    """Whether nothing comes any more."""
    begun: bool = True
    """False of an actor that was started, or started again, and was not told to begin yet."""
    error: StreamVPRError | None = None
    """What ended it, where that was no end of the source."""
