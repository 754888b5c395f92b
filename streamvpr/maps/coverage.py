"""Which places of a map others stand for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.geometry import LEAST_AGREEING, Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streamvpr.frames import Place
    from streamvpr.maps.history import History

    Mask = NDArray[np.bool_]

# Places of other sessions, or seen much later, that are compared with each by geometry.
ALIKE = 8
# Of one stream, places so near to each other are neighbours and are not compared by geometry.
NEIGHBOURS = 5
# Comparing a place takes some ten milliseconds: after so many it is said how far that is.
TOLD_EVERY = 1000
# As a match of a run needs by default.
LEAST_INLIERS, LEAST_OVERLAP = 20, 0.4

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two places, either of which shows what the other does."""

    similarity: float
    """Cosine of their descriptors."""
    first: int
    second: int
    """Rows, first < second."""


def covering(history: History, most: int) -> Mask:
    """(N,) the places to keep, at most `most` of them, so that they stand for all others.

    A place may go for one that is kept and shows the same view: the one kept before or after it, or
    one that geometry matches it with. The most similar pairs come first, the newer place of a pair
    stays, and one that stands for another stays as long as there are places that stand for none.
    Where nothing stands for anything any more the oldest go.
    """
    keep = np.ones(len(history), bool)
    matched = _matched(history) if most < len(history) else []
    while keep.sum() > most:
        pairs = [*_consecutive(history, keep), *(p for p in matched if _has(p, keep))]
        if not pairs:
            break
        pairs.sort(key=lambda pair: (-pair.similarity, pair.first, pair.second))
        _thin(keep, pairs, int(keep.sum()) - most)
    keep[np.flatnonzero(keep)[: max(0, int(keep.sum()) - most)]] = False
    return keep


def covered(history: History, keep: Mask) -> int:
    """How many of the places that are not kept geometry finds again in those that are."""
    return sum(
        any(True for _ in _shown_again(history, int(row), keep, apart=0))
        for row in np.flatnonzero(~keep)
    )


def _thin(keep: Mask, pairs: list[Pair], most: int) -> None:
    """Take out up to `most` places, of each pair one."""
    needed = np.zeros(len(keep), bool)
    for pair in pairs:
        if most == 0:
            return
        if not _has(pair, keep):
            continue
        gone, stays = (
            (pair.first, pair.second) if not needed[pair.first] else (pair.second, pair.first)
        )
        if not needed[gone]:
            keep[gone], needed[stays] = False, True
            most -= 1


def _has(pair: Pair, keep: Mask) -> bool:
    return bool(keep[pair.first] and keep[pair.second])


def _consecutive(history: History, keep: Mask) -> Iterator[Pair]:
    """Pairs that follow each other in a stream, among those that are kept."""
    rows = np.flatnonzero(keep)
    for first, second in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        if history.line(first) == history.line(second):
            yield Pair(history.similarity(first, second), first, second)


def _matched(history: History) -> list[Pair]:
    """Pairs of one view, seen in several sessions or long after one another."""
    everything = np.ones(len(history), bool)
    found: set[tuple[int, int]] = set()
    for row in range(len(history)):
        if row % TOLD_EVERY == TOLD_EVERY - 1:
            logger.info("%d of %d places compared", row + 1, len(history))
        for other in _shown_again(history, row, everything, apart=NEIGHBOURS):
            found.add((min(row, other), max(row, other)))
    return [Pair(history.similarity(a, b), a, b) for a, b in sorted(found)]


def _shown_again(history: History, row: int, among: Mask, *, apart: int) -> Iterator[int]:
    """Rows, among the most similar ones further than `apart`, whose view geometry matches with
    that of a row."""
    place = history.place(row)
    verifier = Verifier(least_matches=LEAST_INLIERS)
    for other in history.alike(row, among, ALIKE, apart):
        if _is_one_view(verifier, place, history.place(other)):
            yield other


def _is_one_view(verifier: Verifier, place: Place, other: Place) -> bool:
    if place.features is None or other.features is None:
        return False
    if verifier.glance(place.features, other.features).agreeing < LEAST_AGREEING:
        return False
    found = verifier.verify(place.features, other.features)
    return found.inliers >= LEAST_INLIERS and (found.overlap or 1.0) >= LEAST_OVERLAP
