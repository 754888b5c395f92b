"""The bounded queue between two stages of the pipeline."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """Put on a closed channel: the consumer is gone and the producer should stop."""


class Channel(Generic[T]):
    """A bounded first-in, first-out queue with an end.

    `asyncio.Queue.shutdown` exists from Python 3.13 only, and a sentinel sent through a bounded
    queue is how such pipelines hang: the end of this one is a state, not an item. `close()` is
    synchronous and idempotent, so it is safe in `finally`; what is already queued can still be
    taken. All calls belong to one event loop.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be 1 or more, not {capacity}")
        self.capacity = capacity
        self._items: deque[T] = deque()
        self._closed = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether `close` was called; items may remain."""
        return self._closed

    async def put(self, item: T) -> None:
        """Append `item`, waiting for room. Raises ChannelClosed where nobody will read it."""
        while len(self._items) >= self.capacity and not self._closed:
            self._writable.clear()
            await self._writable.wait()
        if self._closed:
            raise ChannelClosed
        self._items.append(item)
        self._readable.set()

    async def get_batch(self, most: int, linger: float = 0.0) -> list[T]:
        """Take 1 to `most` items in order; [] once the channel is closed and drained.

        Waits for the first item as long as it takes, then up to `linger` seconds for more.
        """
        await self._wait_for_items()
        if linger > 0 and len(self._items) < most and not self._closed:
            await self._linger(most, linger)
        batch = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self._writable.set()
        return batch

    def close(self) -> None:
        """End the channel: putting fails from now on, taking drains what is left."""
        self._closed = True
        self._readable.set()
        self._writable.set()

    async def _wait_for_items(self) -> None:
        while not self._items and not self._closed:
            self._readable.clear()
            await self._readable.wait()

    async def _linger(self, most: int, seconds: float) -> None:
        most = min(most, self.capacity)
        try:
            async with asyncio.timeout(seconds):
                while len(self._items) < most and not self._closed:
                    self._readable.clear()
                    await self._readable.wait()
        except TimeoutError:
            return
