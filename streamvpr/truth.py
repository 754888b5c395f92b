"""What is right in a run: pairs out of a file, or frames that were taken near each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streamvpr import evaluation, vicinity
from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.evaluation import Positives
    from streamvpr.records import Query

logger = logging.getLogger(__name__)


class Truth(Protocol):
    """Says what is right."""

    def judge(self, run: str, queries: list[Query]) -> tuple[list[Query], Positives]:
        """The queries of the run of that name that can be judged, and their right matches.

        Raises StoreError, which names the run or the file.
        """


@dataclass(frozen=True, slots=True)
class RightPairs:
    """The pairs of a file."""

    path: Path
    exclude: int | None = None
    """Only those with query_idx - match_idx > N; None for all."""

    def judge(self, run: str, queries: list[Query]) -> tuple[list[Query], Positives]:
        """All queries, and the pairs."""
        return queries, evaluation.read_positives(self.path, exclude=self.exclude)


@dataclass(frozen=True, slots=True)
class Radius:
    """Frames of the same run, by the positions that its records hold."""

    metres: float
    exclude: int
    """Only pairs with query_idx - match_idx > N."""

    def judge(self, run: str, queries: list[Query]) -> tuple[list[Query], Positives]:
        """The queries whose positions and matches' positions are known, and the pairs of them.

        Others are left out, with a warning.
        """
        try:
            judged = vicinity.with_positions(queries)
            positives = vicinity.positives_within(judged, self.metres, exclude=self.exclude)
        except StoreError as error:
            raise StoreError(f"{run}: {error}") from error
        left_out = len(queries) - len(judged)
        if left_out:
            logger.warning(
                "%s: of %d of %d frames it is unknown where they or their matches were taken; "
                "they are left out",
                run,
                left_out,
                len(queries),
            )
        return judged, positives
