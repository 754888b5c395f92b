"""A word now and then while something takes minutes."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 30.0


@contextlib.contextmanager
def ticking(say: Callable[[float], None]) -> Iterator[None]:
    """Call `say` with the seconds that have passed, every 30 s, until the block is left.

    From a thread: opening a session and running it both release the GIL. (Measured: of an opening
    of 4.3 s another thread missed 14 ms at most, of a run 15 ms.)
    """
    done = threading.Event()
    thread = threading.Thread(
        target=tick, args=(say, done.wait, time.monotonic), name="ticker", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def tick(
    say: Callable[[float], None],
    wait: Callable[[float], bool],
    clock: Callable[[], float],
) -> None:
    """Say how long it has been until `wait` (seconds) tells that it is done."""
    began = clock()
    while not wait(EVERY):
        say(clock() - began)


def in_words(seconds: float) -> str:
    """`30 s`, `3 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds // 60:.0f} min"
