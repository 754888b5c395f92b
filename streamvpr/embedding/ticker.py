"""A word now and then while something takes minutes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = 30.0

T = TypeVar("T")


def patiently(work: Callable[[], T], say: Callable[[float], None]) -> T:
    """The result of `work`; until it is there, `say` the seconds that have passed, every 30 s.

    The work is done on another thread, so that Ctrl-C ends the program at once and not when the
    work is done. Opening a session and running it both release the GIL. (Measured on openings of
    4.3 s and runs of 0.5 s: another thread missed 23 ms at most.) Raises what `work` raises.
    """
    result: Future[T] = Future()
    threading.Thread(target=_finish, args=(result, work), name="patience", daemon=True).start()
    tick(say, lambda seconds: bool(wait([result], seconds).done), time.monotonic)
    return result.result()


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


def _finish(result: Future[T], work: Callable[[], T]) -> None:
    try:
        result.set_result(work())
    except BaseException as error:  # whoever waits for the result raises it
        result.set_exception(error)
