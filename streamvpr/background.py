"""What similarity is like between a stream's unrelated views, so that one scale serves all."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Weight of the stream's own level against that of one query, in places: a query that is compared
# with few places says little of their spread.
WEIGHT = 20
# Queries that are compared with fewer places say nothing of the stream's level.
LEAST_PLACES = 10
MOST_QUERIES = 200
# Below this a spread is the noise of arithmetic.
LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class Level:
    """What a query's similarities are set against."""

    middle: float
    spread: float

    def prominence(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far each of `scores` (N,) stands out, in spreads."""
        return np.asarray((scores - self.middle) / self.spread, np.float32)


class Unnormalised:
    """Similarity by itself: how much of the way from the threshold to 1 it goes."""

    # The way from the threshold to 1 counts as much as four standard deviations, and the threshold
    # stands out as a revisit usually does.
    WAY, AT_THRESHOLD = 4.0, 3.0

    def __init__(self, threshold: float) -> None:
        spread = max(LEAST_SPREAD, 1 - threshold) / self.WAY
        self._level = Level(threshold - self.AT_THRESHOLD * spread, spread)

    def level(self, scores: NDArray[np.float32]) -> Level:
        """The same for every query."""
        return self._level


class Background:
    """Score normalisation (Auckenthaler et al., 2000) against the stream's own past.

    Each query's similarities are set against their own median and standard deviation, drawn
    towards those of the queries before it while there are few of them. Causal, bounded.
    """

    def __init__(self) -> None:
        self._levels: deque[tuple[float, float]] = deque(maxlen=MOST_QUERIES)

    def level(self, scores: NDArray[np.float32]) -> Level:
        """The level of the next query, by its similarities (N,) to all that it may match.

        Nothing stands out before there is something to stand out of.
        """
        places = len(scores)
        if places < LEAST_PLACES and not self._levels:
            return Level(0.0, math.inf)
        own = (
            (float(np.median(scores)), float(np.var(scores, dtype=np.float64))) if places else None
        )
        middle, variance = self._drawn(own, places)
        if own is not None and places >= LEAST_PLACES:
            self._levels.append(own)
        return Level(middle, max(math.sqrt(variance), LEAST_SPREAD))

    def _drawn(self, own: tuple[float, float] | None, places: int) -> tuple[float, float]:
        """Middle and variance, drawn towards the mean of the queries before."""
        if own is None or not self._levels:
            middle, variance = own or np.mean(self._levels, axis=0)
        else:
            usual = np.mean(self._levels, axis=0)
            middle, variance = usual + places / (places + WEIGHT) * (np.array(own) - usual)
        return float(middle), float(variance)
