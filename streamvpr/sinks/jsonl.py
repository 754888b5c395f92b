"""Records as JSON lines on a stream, one flush a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from streamvpr.errors import OutputClosed, StoreError
from streamvpr.sinks.chosen import RecordsSink

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.config import Records
    from streamvpr.records import Record


class Output(Protocol):
    """Where bytes go: a binary file, or what stands for one."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`."""

    def flush(self) -> None:
        """Hand over what was written."""


class JsonLinesSink(RecordsSink):
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
        super().__init__(kinds)
        self._close = close
        self._stream = stream
        self._name = name
        self._encoder = msgspec.json.Encoder()

    def take(self, record: Record) -> None:
        """Write the line of a record. Raises OutputClosed, StoreError."""
        try:
            self._stream.write(self._encoder.encode(record) + b"\n")
            self._stream.flush()
        except BrokenPipeError as error:
            raise OutputClosed(f"{self._name} was closed by its reader") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"cannot write to {self._name}: {reason}") from error

    def close(self) -> None:
        """Every line was flushed; close what is ours."""
        if self._close is not None:
            self._close()
