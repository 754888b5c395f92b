"""A thread for one blocking library."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from streamvpr.watch import unwatched, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.watch import Watch

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Stage:
    """A thread that does one thing after the other, and the seconds that it worked."""

    name: str
    busy: float = 0.0
    watch: Watch = unwatched
    _executor: ThreadPoolExecutor = field(init=False)
    _since: float | None = None
    _left: bool = False

    def __post_init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"streamvpr-{self.name}")

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` on the stage's thread."""

        def timed() -> R:
            began = self._since = time.monotonic()
            try:
                return watched(self.watch, self.name, partial(work, *args, **kwargs))
            finally:
                self._since = None
                self.busy += time.monotonic() - began

        return await asyncio.get_running_loop().run_in_executor(self._executor, timed)

    @property
    def left(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._left

    @property
    def stuck_for(self) -> float:
        """Seconds that the call in hand has taken so far; 0 between two calls."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def leave(self, last: Callable[[], object]) -> None:
        """Do `last` once the call in hand returns, and wait for neither: a library is not told to
        stop waiting for what does not come."""
        if not self._left:
            self._left = True
            self._executor.submit(last)
            self._executor.shutdown(wait=False)

    def shut_down(self) -> None:
        """Join the thread, unless it was left."""
        if not self._left:
            self._executor.shutdown(wait=True, cancel_futures=True)
