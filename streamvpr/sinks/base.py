"""What every sink offers, and several as one."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from streamvpr.errors import StreamVPRError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream
    from streamvpr.running import Running
    from streamvpr.summary import Summary


class Shown(IntEnum):
    """Of which frames somebody wants to see pictures, and how alike they are."""

    NOTHING = 0
    PLACES = 1
    """Of those that are remembered, and of what they match."""
    FRAMES = 2
    """Of all, also of those in which the view stands still."""


class Sink:
    """Takes decisions in order, on one thread; what a sink does not override, it has no use for."""

    shows = Shown.NOTHING
    """What decisions are to have for it: without it, no thumbnails and no descriptors."""

    def follow(self, run: Running) -> None:
        """Look at a run that is about to begin. Called once, before all others, if at all."""

    def write(self, decision: Decision) -> None:
        """Take one decision. Raises StoreError, or OutputClosed where nobody reads."""

    def write_closure(self, decision: Decision) -> None:
        """Take a closure that is to be reported, after its decision; maybe long after. Raises as
        `write`."""

    def write_event(self, event: Stream | Health) -> None:
        """Take what happened to a stream, or how it does. Raises as `write`."""

    def write_summary(self, summary: Summary) -> None:
        """Take what the run did, after all else. Raises as `write`."""

    def close(self) -> None:
        """Finish what was begun. Called once, also after an error. Raises StoreError."""

    def linger(self, wait: Callable[[], None]) -> None:
        """Stay after all is done and closed, where somebody asked for that.

        `wait` returns when the user has seen enough.
        """


class Fanout(Sink):
    """Several sinks as one: one that fails is dropped, and the others go on."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._working = list(sinks)
        self._all = list(self._working)

    @property
    def open(self) -> bool:
        """Whether any sink still works."""
        return bool(self._working)

    def write(self, decision: Decision) -> None:
        """Write to all that work. Raises the first error, after the others were served."""
        self._serve(lambda sink: sink.write(decision))

    def write_closure(self, decision: Decision) -> None:
        """As `write`, for a closure that is to be reported."""
        self._serve(lambda sink: sink.write_closure(decision))

    def write_event(self, event: Stream | Health) -> None:
        """As `write`, for what happens beside the decisions."""
        self._serve(lambda sink: sink.write_event(event))

    def write_summary(self, summary: Summary) -> None:
        """As `write`, for what the run did."""
        self._serve(lambda sink: sink.write_summary(summary))

    def close(self) -> None:
        """Close all, also those that failed. Raises the first error of one that still worked."""
        error: StreamVPRError | None = None
        for sink in self._all:
            try:
                sink.close()
            except StreamVPRError as failure:
                if sink in self._working:
                    error = error or failure
        self._working.clear()
        if error is not None:
            raise error

    def _serve(self, action: Callable[[Sink], None]) -> None:
        error: StreamVPRError | None = None
        for sink in list(self._working):
            try:
                action(sink)
            except StreamVPRError as failure:
                self._working.remove(sink)
                error = error or failure
        if error is not None:
            raise error
