"""What every source offers to the pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamvpr.frames import Frame, StreamEvent

    Report = Callable[[StreamEvent], None]

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


class Transport(StrEnum):
    """What RTSP sends its packets over."""

    TCP = "tcp"
    UDP = "udp"


class Decoding(StrEnum):
    """Which pictures of a compressed stream are decoded."""

    AUTO = "auto"
    """Live: keyframes alone where they come often enough for the rate asked for. Else all."""
    ALL = "all"
    KEYFRAMES = "keyframes"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources are opened and read; what a kind of source has no use for is left alone."""

    clip: Clip = Clip()
    fps: float | None = None
    """Frames a second that will be picked, None for the source's default: what need not be
    decoded follows from it."""
    video_stream: int | None = None
    decoding: Decoding = Decoding.AUTO
    hwaccel: str | None = None
    av_options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Options for FFmpeg, before which the program's own give way."""
    credentials: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    """Hosts that an http(s) source may send on to besides its own: `HOST` or `HOST:PORT`."""
    rtsp_transport: Transport = Transport.TCP
    connect_timeout: float = 5.0
    read_timeout: float = 5.0
    reconnect_delay: float = 1.0
    """Longest pause between two tries, in seconds."""
    reconnect_for: float | None = None
    """Seconds after which an outage is final; None for never."""


def report_nothing(event: StreamEvent, /) -> None:
    """Where a source's events go until somebody asks for them."""


class Source(Protocol):
    """A sequence of frames, read from one thread."""

    name: str
    """Names the stream in records."""
    path: str
    """What was opened, safe to print."""
    has_clock: bool
    """Whether its frames have a time."""
    default_fps: float
    """Frames a second of stream time to process where the user names none; 0 is every frame."""
    live: bool
    """Whether it goes on without us: frames that nobody takes in time are lost."""
    on_disk: bool
    """Whether its frames are there as soon as they are asked for."""
    report: Report
    """Takes what happens to the stream, on the thread that reads."""

    @property
    def skipped(self) -> int:
        """Images or packets that could not be read so far."""

    @property
    def undecoded(self) -> int:
        """Pictures that were passed over without being decoded, since none of them was needed."""

    @property
    def span(self) -> float | None:
        """Seconds (or images, where there is no clock) to be read; None where unknown."""

    def frames(self) -> Iterator[Frame]:
        """Decode to the end. Raises SourceError where it is lost for good."""

    def stop(self) -> None:
        """Let `frames` end soon. Called from any thread; waits for nothing."""

    def close(self) -> None:
        """Let go of the file. Called on the thread that reads; idempotent."""
