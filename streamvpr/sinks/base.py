"""What every sink offers, and several as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streamvpr.errors import StreamVPRError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream


class Sink(Protocol):
    """Takes decisions in order, on one thread."""

    def write(self, decision: Decision) -> None:
        """Take one decision. Raises StoreError, or OutputClosed where nobody reads."""

    def write_closure(self, decision: Decision) -> None:
        """Take a closure that is to be reported, after its decision; maybe long after. Raises as
        `write`."""

    def write_event(self, event: Stream | Health) -> None:
        """Take what happened to a stream, or how it does. Raises as `write`."""

    def close(self) -> None:
        """Finish what was begun. Called once, also after an error. Raises StoreError."""


class Fanout:
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
