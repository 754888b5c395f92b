"""Records as JSON lines on a stream, one flush a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from streamvpr import records
from streamvpr.config import Records
from streamvpr.errors import OutputClosed, StoreError
from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.frames import Decision


class Output(Protocol):
    """Where bytes go: a binary file, or what stands for one."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`."""

    def flush(self) -> None:
        """Hand over what was written."""


class JsonLinesSink(Sink):
    """Writes the chosen kinds of records; they are there for a reader as soon as they are known."""

    def __init__(
        self,
        stream: Output,
        kinds: Records,
        *,
        name: str = "standard output",
        close: Callable[[], None] | None = None,
    ) -> None:
        """`name` is what errors call the stream; `close` is called when nothing comes any more."""
        self._close = close
        self._stream = stream
        self._kinds = kinds
        self._name = name
        self._encoder = msgspec.json.Encoder()

    def write(self, decision: Decision) -> None:
        """Write the record of one decision. Raises OutputClosed, StoreError."""
        if self._kinds in (Records.QUERIES, Records.ALL):
            self._line(records.query(decision))

    def write_closure(self, decision: Decision) -> None:
        """Write the record of a closure. Raises as `write`."""
        if self._kinds in (Records.LOOPS, Records.ALL):
            self._line(records.loop_closure(decision))

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Write what happened to a stream or how it does, where all records are asked for."""
        if self._kinds is Records.ALL:
            self._line(event)

    def close(self) -> None:
        """Every line was flushed; close what is ours."""
        if self._close is not None:
            self._close()

    def _line(self, record: records.Record) -> None:
        try:
            self._stream.write(self._encoder.encode(record) + b"\n")
            self._stream.flush()
        except BrokenPipeError as error:
            raise OutputClosed(f"{self._name} was closed by its reader") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"cannot write to {self._name}: {reason}") from error
