"""How many closures a run has reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from streamvpr.frames import Decision


class ClosureCounter(Sink):
    """A sink that counts."""

    def __init__(self) -> None:
        self.closures = 0

    def write_closure(self, decision: Decision) -> None:
        """Count a closure that is reported."""
        self.closures += 1
