"""Evenly thinned series: memory stays bounded however long they are."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Thinned(Generic[T]):
    """Up to `most` items, evenly spread over all that were added.

    Where there are more, every second one is let go, and from then on every second one taken.
    """

    def __init__(self, most: int) -> None:
        self.items: list[T] = []
        self.taken = 0
        """How many were added, kept or not."""
        self._most = most
        self._step = 1

    @property
    def takes_next(self) -> bool:
        """Whether the next item will be kept, until thinning takes its turn."""
        return self.taken % self._step == 0

    def add(self, item: T) -> bool:
        """Take the next item; whether every second of those that are kept was let go."""
        if self.takes_next:
            self.items.append(item)
        self.taken += 1
        if len(self.items) <= self._most:
            return False
        self.items, self._step = self.items[::2], self._step * 2
        return True
