"""Whose frame is next, where several streams share one model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamvpr.frames import Frame
    from streamvpr.stream import Stream


class Mixer:
    """Takes one frame of each stream in turn.

    Where all are on disk it waits for each of them, so that the order depends on nothing but the
    input. Else a stream that has nothing is passed over: nobody waits for a camera that is down,
    and none gets a second frame while another's is waiting.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._waiting = list(streams)
        self._in_order = all(stream.reader.source.on_disk for stream in streams)
        self._changed = asyncio.Event()
        for stream in streams:
            stream.open_buffer(self._changed.set)

    async def take(self) -> tuple[Stream, Frame | None] | None:
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

    def _ready(self) -> tuple[Stream, Frame | None] | None:
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
