"""Which closures of a sustained revisit are reported: all, the first, or the best."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamvpr.config import Emit
from streamvpr.frames import StreamState
from streamvpr.loops import REACH
from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream
    from streamvpr.sinks.base import Fanout
    from streamvpr.summary import Summary

# The best of a revisit that goes on is reported after so many processed frames: a parked robot's
# never ends.
LONGEST_WAIT = 30


@dataclass(slots=True)
class _Revisit:
    """A revisit that has not ended yet."""

    best: Decision
    first_query: int
    last_query: int
    reported: bool = False


class ClosureChooser(Sink):
    """Stands before the sinks: hands every decision on, and of the closures those to report."""

    def __init__(self, sink: Fanout, emit: Emit) -> None:
        self._sink = sink
        self._emit = emit
        # By stream, and in it by loop_id.
        self._revisits: dict[str, dict[int, _Revisit]] = {}

    @property
    def open(self) -> bool:
        """Whether any sink still works."""
        return self._sink.open

    def write(self, decision: Decision) -> None:
        """Hand a decision on, and after it the closures that it settles.

        Raises as the sinks do, after those that work were served.
        """
        closures = list(self._settled(decision))
        try:
            self._sink.write(decision)
        finally:
            for closure in closures:
                self._sink.write_closure(closure)

    def write_event(self, event: Stream | Health) -> None:
        """Hand it on; nothing of a stream is left to report after its end."""
        if getattr(event, "state", None) == StreamState.ENDED.value:
            self._report_rest(event.stream)
        self._sink.write_event(event)

    def write_summary(self, summary: Summary) -> None:
        """Report what has waited, and hand the summary on."""
        try:
            self._report_all()
        finally:
            self._sink.write_summary(summary)

    def close(self) -> None:
        """Report what has waited, and close the sink behind."""
        try:
            self._report_all()
        finally:
            self._sink.close()

    def _settled(self, decision: Decision) -> Iterator[Decision]:
        if self._emit is Emit.ALL:
            if decision.accepted:
                yield decision
            return
        revisits = self._revisits.setdefault(decision.query.stream, {})
        if decision.accepted and decision.loop_id is not None:
            yield from self._continued(revisits, decision.loop_id, decision)
        yield from self._ended(revisits, decision.query.index)

    def _continued(
        self, revisits: dict[int, _Revisit], loop_id: int, decision: Decision
    ) -> Iterator[Decision]:
        index = decision.query.index
        revisit = revisits.get(loop_id)
        if revisit is None:
            first = self._emit is Emit.FIRST
            revisits[loop_id] = _Revisit(decision, index, index, reported=first)
            if first:
                yield decision
            return
        revisit.last_query = index
        if (decision.confidence or 0.0) > (revisit.best.confidence or 0.0):
            revisit.best = decision

    def _ended(self, revisits: dict[int, _Revisit], index: int) -> Iterator[Decision]:
        for loop_id, revisit in list(revisits.items()):
            over = index - revisit.last_query > REACH
            if not revisit.reported and (over or index - revisit.first_query >= LONGEST_WAIT):
                revisit.reported = True
                yield _waited(revisit.best, index)
            if over:
                del revisits[loop_id]

    def _report_all(self) -> None:
        for stream in list(self._revisits):
            self._report_rest(stream)

    def _report_rest(self, stream: str) -> None:
        for revisit in self._revisits.pop(stream, {}).values():
            if not revisit.reported:
                self._sink.write_closure(_waited(revisit.best, None))


def _waited(decision: Decision, index: int | None) -> Decision:
    """The decision with the latency that it has now."""
    arrival = decision.query.arrival
    if arrival is None or index == decision.query.index:
        return decision
    return replace(decision, latency=time.monotonic() - arrival.monotonic)
