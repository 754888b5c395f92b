"""Time that work took: by the clock on the wall, and of processors."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds."""

    wall: float = 0.0
    cpu: float = 0.0
    """Of all threads of this process, user and system."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall - other.wall, self.cpu - other.cpu)


NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Rate:
    """So many frames in so much time."""

    frames: int
    spent: Spent

    @property
    def per_second(self) -> float:
        """Frames a second by the clock on the wall."""
        return self.frames / self.spent.wall

    @property
    def cpu(self) -> float:
        """Seconds of processor time a frame."""
        return self.spent.cpu / self.frames


def now() -> Spent:
    """What both clocks show."""
    return Spent(time.perf_counter(), time.process_time())


def time_work(work: Callable[[], object]) -> Spent:
    """What some work takes, done now."""
    began = now()
    work()
    return now() - began


def clock_without_this_thread() -> Callable[[], Spent]:
    """The clocks, without the processor time of the thread that asks for them here.

    That is the event loop's: what it does meanwhile is not the work of the stage that is timed.
    """
    own = time.pthread_getcpuclockid(threading.get_ident())
    return lambda: now() - Spent(0.0, time.clock_gettime(own))
