"""The newest records as numbered lines, for readers that come and go and are never waited for."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """A record on its way to browsers."""

    number: int
    """Counted from 1."""
    kind: str
    """The `type` of the record."""
    data: bytes
    """JSON, on one line."""


class Lines:
    """Keeps the newest lines. A reader holds the number of the last one that it has; one that is
    too slow misses some, and the memory is the same for a thousand readers. From any thread.
    """

    def __init__(self, most: int = MOST_LINES) -> None:
        self._lines: deque[Line] = deque(maxlen=most)
        self._newest = 0
        self._ended = False
        self._lock = threading.Lock()

    @property
    def newest(self) -> int:
        """Number of the last line that came; 0 before the first."""
        return self._newest

    @property
    def ended(self) -> bool:
        """Whether no more come."""
        return self._ended

    def add(self, kind: str, data: bytes) -> None:
        """Append a line; the oldest goes."""
        with self._lock:
            self._newest += 1
            self._lines.append(Line(self._newest, kind, data))

    def after(self, number: int, most: int = MOST_LINES) -> list[Line]:
        """Up to `most` lines that came after that one, oldest first."""
        with self._lock:
            new = min(self._newest - number, len(self._lines))
            if new <= 0:
                return []
            first = len(self._lines) - new
            return [self._lines[first + i] for i in range(min(new, most))]

    def end(self) -> None:
        """Say that no more come."""
        self._ended = True
