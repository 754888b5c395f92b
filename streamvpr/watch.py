"""Who watches the work of a stage: whoever measures it, and by default nobody."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class Watch(Protocol):
    """Does every call of a stage, on the stage's thread: to measure it, or to let it wait."""

    def __call__(self, name: str, work: Callable[[], R], /) -> R:
        """Do the work of the stage, or of the part of its work, of that name; its result."""
        ...


def unwatched(_: str, work: Callable[[], R], /) -> R:
    """Where nobody watches."""
    return work()


_mine: ContextVar[Watch] = ContextVar("watch", default=unwatched)


def watched(watch: Watch, name: str, work: Callable[[], R]) -> R:
    """Do a stage's work under somebody's eyes. Parts of it are found by this thread."""
    _mine.set(watch)
    return watch(name, work)


def part(name: str, work: Callable[[], R]) -> R:
    """Do a part of a stage's work that whoever watches the stage is to tell from the rest.

    A part has no parts of its own.
    """
    return _mine.get()(name, work)
