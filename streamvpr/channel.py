"""The bounded queue between two stages of the pipeline."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ChannelClosed(Exception):
    """Put on a closed channel: the consumer is gone and the producer should stop."""


class Overflow(StrEnum):
    """What a full channel does with one more item."""

    BLOCK = "block"
    """The producer waits."""
    DROP_OLDEST = "drop-oldest"
    """The oldest item makes room, and is counted; the producer never waits."""


class Channel(Generic[T]):
    """A bounded first-in, first-out queue with an end.

    `asyncio.Queue.shutdown` exists from Python 3.13 only, and a sentinel sent through a bounded
    queue is how such pipelines hang: the end of this one is a state, not an item. `close()` is
    synchronous and idempotent, so it is safe in `finally`; what is already queued can still be
    taken. All calls belong to one event loop.
    """

    def __init__(
        self,
        capacity: int,
        overflow: Overflow = Overflow.BLOCK,
        *,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """`on_change` is called when there is something to take, or the end was reached."""
        if capacity < 1:
            raise ValueError(f"capacity must be 1 or more, not {capacity}")
        self.capacity = capacity
        self.dropped = 0
        self._items: deque[T] = deque()
        self._overflow = Overflow(overflow)
        self._on_change = on_change
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
        """Append `item`, waiting for room or making it, as the overflow says.

        Raises ChannelClosed where nobody will read it.
        """
        while len(self._items) >= self.capacity and not self._closed:
            if self._overflow is Overflow.DROP_OLDEST:
                self._items.popleft()
                self.dropped += 1
                continue
            self._writable.clear()
            await self._writable.wait()
        if self._closed:
            raise ChannelClosed
        self.push(item)

    def push(self, item: T) -> None:
        """Append `item` at once, beyond the capacity if need be; nothing where it is closed.

        For the rare item that must neither wait nor be dropped; the caller bounds their number.
        """
        if self._closed:
            return
        self._items.append(item)
        self._readable.set()
        self._notify()

    def take(self) -> T | None:
        """The oldest item where there is one now, else None."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._writable.set()
        return item

    async def get_batch(self, most: int, linger: float = 0.0) -> list[T]:
        """Take 1 to `most` items in order; [] once the channel is closed and drained.

        Waits for the first item as long as it takes, then up to `linger` seconds for more.
        """
        await self.wait()
        if linger > 0 and len(self._items) < most and not self._closed:
            await self._linger(most, linger)
        batch = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self._writable.set()
        return batch

    async def wait(self) -> None:
        """Wait until there is something to take, or nothing will ever be."""
        while not self._items and not self._closed:
            self._readable.clear()
            await self._readable.wait()

    def close(self) -> None:
        """End the channel: putting fails from now on, taking drains what is left."""
        self._closed = True
        self._readable.set()
        self._writable.set()
        self._notify()

    def _notify(self) -> None:
        if self._on_change is not None:
            self._on_change()

    async def _linger(self, most: int, seconds: float) -> None:
        most = min(most, self.capacity)
        try:
            async with asyncio.timeout(seconds):
                while len(self._items) < most and not self._closed:
                    self._readable.clear()
                    await self._readable.wait()
        except TimeoutError:
            return
