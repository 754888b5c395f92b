"""The stages of a run one after the other: what each costs while no other disturbs it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from streamvpr.bench.spent import NOTHING, Spent, clock_without_this_thread

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

# Stages of the pipeline by the names that are shown, where they are others.
SHOWN = {"prepare": "convert", "recognize": "search"}
# A frame's way.
ORDER = ("decode", "convert", "embed", "features", "search", "verify", "emit")


@dataclass(slots=True)
class StageTimes:
    """What one stage took."""

    frames: list[Spent] = field(default_factory=list)
    """Of each frame that it worked on; those of a batch share what it took."""
    total: Spent = NOTHING
    """Of all calls, also those that were for no frame, such as closing a file."""


class OneAtATime:
    """Watches the stages of a run: lets one work at a time, and notes what it takes.

    Nothing else runs meanwhile, so that processor time of the whole process is that of the stage:
    the runtime's threads and those of OpenCV are counted, which the stage's own clock knows not of.
    """

    def __init__(self, written: Callable[[], int]) -> None:
        """For a run in the thread that this is made on. `written`: frames that were emitted."""
        self._written = written
        self._clock = clock_without_this_thread()
        # Entered again by the parts of a stage's work.
        self._turn = threading.RLock()
        self._parts: dict[str, Spent] | None = None
        self._times: defaultdict[str, StageTimes] = defaultdict(StageTimes)

    def __call__(self, name: str, work: Callable[[], R], /) -> R:
        """Do the work of a stage when it is its turn, or that of a part of it at once."""
        with self._turn:
            if self._parts is not None:
                return self._do_part(name, work, self._parts)
            return self._do_stage(name, work)

    @property
    def stages(self) -> dict[str, StageTimes]:
        """By the names that are shown, in the order of a frame's way."""
        known = {name: self._times[name] for name in ORDER if name in self._times}
        return known | self._times

    def _do_stage(self, name: str, work: Callable[[], R]) -> R:
        parts: dict[str, Spent] = {}
        self._parts = parts
        written, began = self._written(), self._clock()
        try:
            found = work()
        finally:
            taken = self._clock() - began
            self._parts = None
        for part, spent in parts.items():
            self._note(part, spent, 1)
            taken -= spent
        frames = self._written() - written if name == "emit" else _frames(found)
        self._note(shown(name), taken, frames)
        return found

    def _do_part(self, name: str, work: Callable[[], R], parts: dict[str, Spent]) -> R:
        began = self._clock()
        try:
            return work()
        finally:
            parts[name] = parts.get(name, NOTHING) + self._clock() - began

    def _note(self, name: str, spent: Spent, frames: int) -> None:
        times = self._times[name]
        times.total += spent
        if frames:
            times.frames += [Spent(spent.wall / frames, spent.cpu / frames)] * frames


def shown(stage: str) -> str:
    """The name of a stage as people read it; those of several streams that decode share one."""
    return SHOWN.get(stage, stage.partition("-")[0])


def _frames(found: object) -> int:
    """How many frames a call was for, by what it gave: a row each, or none at a source's end."""
    return len(found) if isinstance(found, Sized) else int(found is not None)
