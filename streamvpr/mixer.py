"""Whose frame is next, where several streams share one model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamvpr.channel import Channel


class Buffered(Protocol):
    """A stream with a buffer of what has come of it."""

    buffer: Channel[Any]

    @property
    def on_disk(self) -> bool:
        """Whether what comes next is there as soon as it is asked for."""

    def open_buffer(self, on_change: Callable[[], None], /) -> None:
        """Make the buffer, in the event loop that uses it."""


S = TypeVar("S", bound=Buffered)


class Mixer(Generic[S]):
    """Takes one frame of each stream in turn.

    Where all are on disk it waits for each of them, so that the order depends on nothing but the
    input. Else a stream that has nothing is passed over: nobody waits for a camera that is down,
    and none gets a second frame while another's is waiting.
    """

    def __init__(self, streams: Sequence[S]) -> None:
        self._waiting = list(streams)
        self._in_order = all(stream.on_disk for stream in streams)
        self._changed = asyncio.Event()
        for stream in streams:
            stream.open_buffer(self._changed.set)

    async def take(self) -> tuple[S, Any | None] | None:
        """A stream and its next frame, or None at its end; None when all have ended."""
        while self._waiting:
            self._changed.clear()
            found = self._ready()
            if found is not None:
                return found
            if self._in_order:
                await self._waiting[0].buffer.wait()
            else:
                await self._changed.wait()
        return None

    def close(self) -> None:
        """Take nothing more: whoever puts into a buffer is told to stop."""
        for stream in self._waiting:
            stream.buffer.close()

    def _ready(self) -> tuple[S, Any | None] | None:
        for stream in self._waiting[:1] if self._in_order else list(self._waiting):
            frame = stream.buffer.take()
            if frame is not None:
                # To the end of the queue.
                self._waiting.remove(stream)
                self._waiting.append(stream)
                return stream, frame
            if stream.buffer.closed:
                self._waiting.remove(stream)
                return stream, None
        return None
