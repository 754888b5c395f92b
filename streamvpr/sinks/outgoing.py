"""What waits to be sent elsewhere: whoever puts it there never waits."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Of closures alone hours, of all records of twenty cameras some minutes; some 10 MB.
MOST_WAITING = 10_000
# How long the end of a run waits for what is on its way.
CLOSE_SECONDS = 3.0
# After that, for a thread whose call was cut off.
JOIN_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Outgoing(Generic[T]):
    """A bounded queue, the oldest dropped, and the thread that hands over what is in it.

    What was handed over is on its way until `settle` says what became of it: on the same thread, or
    on any other, later. Where the time is up at the end, what is left is lost. What is lost is said
    when it begins, and in the end how much it was.
    """

    def __init__(
        self,
        name: str,
        hand_over: Callable[[T], None],
        *,
        window: int = 1,
        most: int = MOST_WAITING,
        items: str = "records",
    ) -> None:
        """`name` and `items` are what the log calls it, and them. `hand_over` is called on the
        thread of its own.

        `window` is how many may be on their way at once, `most` how many wait besides.
        """
        self._name = name
        self._items = items
        self._hand_over = hand_over
        self._window = window
        self._most = most
        self._waiting: deque[T] = deque()
        self._on_their_way = 0
        self._dropped = 0
        self._refused = 0
        self._put = 0
        self._dropping = False
        self._deadline: float | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"streamvpr-{name}", daemon=True)

    def start(self) -> None:
        """Begin to hand over."""
        self._thread.start()

    def put(self, item: T) -> None:
        """Add an item; where the queue is full the oldest goes. From any thread."""
        with self._changed:
            self._put += 1
            full = len(self._waiting) == self._most
            if full:
                self._waiting.popleft()
                self._dropped += 1
            begins = full and not self._dropping
            self._dropping |= full
            self._waiting.append(item)
            self._changed.notify_all()
        if begins:
            logger.warning(
                "%s: %d %s wait already; the oldest are dropped",
                self._name,
                self._most,
                self._items,
            )

    def settle(self, count: int = 1, *, refused: bool = False) -> None:
        """Say that so many on their way have arrived, or were refused. From any thread."""
        with self._changed:
            self._on_their_way -= count
            self._refused += count if refused else 0
            self._changed.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait, for the thread that hands over; whether there is time for another try.

        The end cuts it short: what has waited for long gets one more try.
        """
        with self._changed:
            before = self._deadline
            if before is not None:
                seconds = min(seconds, before - time.monotonic())
            self._changed.wait_for(
                lambda: self._closed or self._deadline != before, max(0.0, seconds)
            )
            return not self._is_up()

    def end(self, seconds: float = CLOSE_SECONDS) -> None:
        """Nothing more is put; from now on there is so much time. Called again it changes nothing.

        Several that end at the same time do so beside each other.
        """
        with self._changed:
            if self._deadline is None:
                self._deadline = time.monotonic() + seconds
            self._changed.notify_all()

    def close(self, abort: Callable[[], None] | None = None) -> None:
        """Wait until all has arrived, or the time is up, and say what is lost.

        `abort` cuts off the call in hand.
        """
        self.end()
        with self._changed:
            while self._left and not self._is_up() and self._thread.is_alive():
                assert self._deadline is not None
                self._changed.wait(max(0.0, self._deadline - time.monotonic()))
            self._closed = True
            left = self._left
            self._waiting.clear()
            self._changed.notify_all()
        if left and abort is not None:
            abort()
        if self._thread.is_alive():
            self._thread.join(JOIN_SECONDS)
        self._say_what_is_lost(left)

    @property
    def ending(self) -> bool:
        """Whether the end has begun."""
        with self._changed:
            return self._deadline is not None

    @property
    def over(self) -> bool:
        """Whether there is no time left for another try."""
        with self._changed:
            return self._is_up()

    @property
    def _left(self) -> int:
        return len(self._waiting) + self._on_their_way

    def _is_up(self) -> bool:
        """Whether there is no more time."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return self._closed or late

    def _run(self) -> None:
        while (item := self._take()) is not None:
            self._hand_over(item[0])

    def _take(self) -> tuple[T] | None:
        """The next one, once there is one and room on the way; None when it is over."""
        with self._changed:
            while not self._closed and (
                not self._waiting or self._on_their_way >= self._window or self._is_up()
            ):
                self._changed.wait()
            if self._closed:
                return None
            self._on_their_way += 1
            item = self._waiting.popleft()
            self._dropping = self._dropping and bool(self._waiting)
            return (item,)

    def _say_what_is_lost(self, left: int) -> None:
        lost = {
            "dropped, as too many waited": self._dropped,
            "refused or given up": self._refused,
            "not confirmed in time": left,
        }
        if any(lost.values()):
            said = ", ".join(f"{count} {why}" for why, count in lost.items() if count)
            logger.warning("%s: of %d %s %s", self._name, self._put, self._items, said)
