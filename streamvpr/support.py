"""Temporal consistency: whether the frames before had candidates near the same place."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streamvpr.loops import REACH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamvpr.frames import Place

# Frames that are asked.
WINDOW = 5


class Support:
    """Remembers the candidates of the last WINDOW queries of a stream."""

    def __init__(self) -> None:
        # Keys of the places, one set a query.
        self._recent: deque[set[tuple[str | None, str, int]]] = deque(maxlen=WINDOW)

    def of(self, match: Place) -> int:
        """How many of the last queries had a candidate within reach of a match.

        The further back a query is, the further the match may have moved on since.
        """
        return sum(
            any(
                (session, stream) == match.key[:2] and abs(index - match.index) <= REACH + back
                for session, stream, index in candidates
            )
            for back, candidates in enumerate(reversed(self._recent), 1)
        )

    def add(self, candidates: Iterable[Place]) -> None:
        """Take the candidates of the newest query that similarity let through."""
        self._recent.append({place.key for place in candidates})
