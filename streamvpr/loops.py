"""Loops, not frames: which closures belong to one sustained revisit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

# A revisit goes on while its closures follow each other within so many frames and places.
REACH = 5


@dataclass(slots=True)
class _Revisit:
    loop_id: int
    query: int
    match: int
    line: Hashable


class RevisitTracker:
    """Gives one number to one sustained revisit of a stream.

    A closure belongs to a revisit when its query follows that one's last query, and its match
    that one's last match, within REACH frames (plus the queries that passed between, since the
    match moves on with them). Several revisits can be open: a third lap may match the first lap
    and the second by turns.
    """

    def __init__(self, first: int = 0) -> None:
        """`first` is the number of the next revisit."""
        self._open: list[_Revisit] = []
        self._next_id = first

    def assign(self, query: int, match: int, line: Hashable = None) -> int:
        """The loop_id of a closure with a place of that index; queries must come in order.

        `line` is whose index it is: a stream of a session.
        """
        self._open = [r for r in self._open if query - r.query <= REACH]
        near = [r for r in self._open if self._follows(r, query, match, line)]
        if not near:
            self._open.append(_Revisit(self._next_id, query, match, line))
            self._next_id += 1
            return self._next_id - 1
        revisit = min(near, key=lambda r: (abs(match - r.match), r.loop_id))
        revisit.query, revisit.match = query, match
        return revisit.loop_id

    def _follows(self, revisit: _Revisit, query: int, match: int, line: Hashable) -> bool:
        near = abs(match - revisit.match) <= REACH + (query - revisit.query)
        return near and line == revisit.line
