"""One stream on its way through the pipeline."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.channel import Channel, Overflow
from streamvpr.frames import StreamEvent, StreamState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamvpr.errors import SourceError
    from streamvpr.frames import Decision, Described, Frame
    from streamvpr.keyframes import FrameReader, KeyframeMaker

# Live frames that wait for the model; one more, and the oldest goes. Enough for what a network
# delivers at once, and no more delay than so many runs of the model.
LIVE_BUFFER = 4
# Files are read ahead by as much as keeps the next stage busy.
FILE_BUFFER = 2
# Latencies of which the percentiles are taken: at most so many, since the last health record.
MOST_LATENCIES = 10_000


@dataclass(slots=True)
class Stream:
    """What belongs to one source, from its reader to what is decided on its frames."""

    reader: FrameReader
    maker: KeyframeMaker
    observe: Callable[[Described], Decision | None]
    """What is done with a described keyframe, in order; None is nothing to report."""
    places: Callable[[], tuple[int, int]] = lambda: (0, 0)
    """Number of places that are remembered, and their bytes."""
    overflow: Overflow | None = None
    """What a full buffer does; None is drop-oldest for what is live and block for the rest."""
    processed: int = 0
    undescribed: int = 0
    """Of the processed frames, those that could not be described."""
    reconnects: int = 0
    error: SourceError | None = None
    state: StreamState | None = None
    keyframes_only: bool = False
    last_time: float | None = None
    """Stream time of the newest processed frame, in seconds."""
    held: deque[tuple[StreamEvent, int]] = field(default_factory=deque)
    """What is told in order with the decisions, so that every run tells it at the same place; and
    how many pictures the source had skipped by then."""
    buffer: Channel[Frame] = field(init=False)
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_LATENCIES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Names the stream in records."""
        return self.reader.source.name

    @property
    def live(self) -> bool:
        """Whether it goes on without us."""
        return self.reader.source.live

    @property
    def on_disk(self) -> bool:
        """Whether its frames are there as soon as they are asked for."""
        return self.reader.source.on_disk

    @property
    def span(self) -> float | None:
        """Seconds (or images, where there is no clock) to be read; None where unknown."""
        return self.reader.source.span

    @property
    def dropped(self) -> int:
        """Frames that were dropped by overload."""
        return self.buffer.dropped if hasattr(self, "buffer") else 0

    def open_buffer(self, on_change: Callable[[], None]) -> None:
        """Make the buffer between decoder and model; in the event loop that uses it."""
        overflow = self.overflow or (Overflow.DROP_OLDEST if self.live else Overflow.BLOCK)
        size = LIVE_BUFFER if overflow == Overflow.DROP_OLDEST else FILE_BUFFER
        self.buffer = Channel(size, overflow, on_change=on_change)

    def due(self, *, at_end: bool) -> Iterator[tuple[StreamEvent, int]]:
        """Take what is held and due: a connection before the first frame, the rest at the end."""
        while self.held and (at_end or self.held[0][0].state is StreamState.CONNECTED):
            yield self.held.popleft()

    def take_event(self, event: StreamEvent, skipped: int) -> records.Stream:
        """Note what happened, when so many pictures had been skipped; its record."""
        self.state = event.state
        self.keyframes_only = event.keyframes_only
        self.reconnects += event.state is StreamState.RECONNECTED
        return records.stream(
            event,
            stream=self.name,
            path=self.reader.source.path,
            frames=self.processed,
            skipped=skipped,
        )

    def end(self) -> StreamEvent:
        """What is reported last."""
        wall_time = time.time() if self.live else None
        cause = None if self.error is None else str(self.error)
        return StreamEvent(
            StreamState.ENDED,
            time=self.last_time,
            wall_time=wall_time,
            cause=cause,
            keyframes_only=self.keyframes_only,
        )

    def note_latency(self, seconds: float) -> None:
        """Count one frame's way from its arrival to its record. From any thread."""
        with self._lock:
            self._latencies.append(seconds)

    def health(self) -> records.Health:
        """How it does; latencies are those since the last time. On the thread of the places."""
        with self._lock:
            latencies = sorted(self._latencies)
            self._latencies.clear()
        return self._health(latencies)

    def peek(self) -> records.Health:
        """How it does, and the latencies are counted on. From any thread."""
        with self._lock:
            latencies = sorted(self._latencies)
        return self._health(latencies)

    def _health(self, latencies: list[float]) -> records.Health:
        places, size = self.places()
        # In this order: what is processed meanwhile is not counted twice.
        processed, overload = self.processed, self.dropped
        tally = self.reader.tally()
        return records.Health(
            stream=self.name,
            wall_time=records.rfc3339(time.time()),
            state=None if self.state is None else self.state.value,
            frames_in=tally.arrived,
            processed=processed,
            undescribed=self.undescribed,
            left_out=tally.left_out,
            dropped=records.Dropped(overload=overload, damaged=tally.skipped),
            queued=tally.picked - overload - processed,
            latency_p50_ms=_percentile(latencies, 0.50),
            latency_p95_ms=_percentile(latencies, 0.95),
            reconnects=self.reconnects,
            places=places,
            places_bytes=size,
            resident_bytes=resident_bytes(),
        )


def _percentile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1e3, 3)


def resident_bytes() -> int | None:
    """Memory of this process that is in RAM now; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
