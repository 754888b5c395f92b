"""A live stream that goes on in another process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.cluster.exchange import Reached
    from streamvpr.frames import Frame, StreamEvent
    from streamvpr.sources import Source
    from streamvpr.sources.base import Report

# Times increase strictly, also where the clocks of two nodes do not agree.
LEAST_STEP_SECONDS = 1e-3


class ResumedSource:
    """A live source whose stream time goes on where another process left it, the outage counted."""

    def __init__(self, source: Source, reached: Reached) -> None:
        """Takes over a source of which nothing was read."""
        self.name = source.name
        self.path = source.path
        self.has_clock = source.has_clock
        self.default_fps = source.default_fps
        self.live = source.live
        self.on_disk = source.on_disk
        self._source = source
        self._reached = reached
        self._shift: float | None = None

    @property
    def report(self) -> Report:
        """Takes what happens to the stream, on the thread that reads."""
        return self._source.report

    @report.setter
    def report(self, report: Report) -> None:
        def shifted(event: StreamEvent) -> None:
            known = event.time is not None and self._shift is not None
            time = event.time + self._shift if known else None  # type: ignore[operator]
            report(replace(event, time=time))

        self._source.report = shifted

    @property
    def skipped(self) -> int:
        """Images or packets that could not be read so far."""
        return self._source.skipped

    @property
    def undecoded(self) -> int:
        """Pictures that were passed over without being decoded, since none of them was needed."""
        return self._source.undecoded

    @property
    def span(self) -> float | None:
        """Seconds to be read; None where unknown."""
        return self._source.span

    def frames(self) -> Iterator[Frame]:
        """All frames. Raises as the source does."""
        for frame in self._source.frames():
            if frame.time is None:
                yield frame
                continue
            if self._shift is None:
                self._shift = self._first_time(frame) - frame.time
            yield replace(frame, time=frame.time + self._shift)

    def stop(self) -> None:
        """Let `frames` end soon."""
        self._source.stop()

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def _first_time(self, frame: Frame) -> float:
        """By what passed on the wall since stream time was 0."""
        least = (self._reached.time or 0.0) + LEAST_STEP_SECONDS
        if self._reached.origin is None or frame.arrival is None:
            return least
        return max(least, frame.arrival.taken - self._reached.origin)
