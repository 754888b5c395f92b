"""What similarity is like between a stream's unrelated views, so that one scale serves all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Queries that are compared with fewer places say nothing of the stream's level.
LEAST_PLACES = 10
MOST_QUERIES = 200
# Similarity cannot be closer to 1 than this and still leave a way to go.
LEAST_WAY = 1e-6


@dataclass(frozen=True, slots=True)
class Level:
    """What a query's similarities are set against."""

    middle: float
    """Similarity that does not stand out at all."""
    way: float
    """How much more stands out by 1."""

    def prominence(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far each of `scores` (N,) stands out."""
        return np.asarray((scores - self.middle) / self.way, np.float32)


NOTHING_STANDS_OUT = Level(0.0, float("inf"))


class Unnormalised:
    """Similarity by itself: how much of the way from the threshold to 1 it goes."""

    # The threshold stands out as much as revisits usually do.
    AT_THRESHOLD = 0.75

    def __init__(self, threshold: float) -> None:
        way = max(LEAST_WAY, 1 - threshold)
        self._level = Level(threshold - self.AT_THRESHOLD * way, way)

    def level(self, scores: NDArray[np.float32], highest: float = 1.0) -> Level:
        """The same for every query."""
        return self._level


class Background:
    """Similarity counts by how much of the way it goes from the stream's background to 1.

    The background is the median over the newest queries of their median similarity to the past:
    revisits are few among all pairs. It moves slowly, so that the order of similarities stays.
    Causal, bounded.
    """

    def __init__(self) -> None:
        self._middles: deque[float] = deque(maxlen=MOST_QUERIES)

    def level(self, scores: NDArray[np.float32], highest: float = 1.0) -> Level:
        """The level of the next query, by its similarities (N,) to all that it may match.

        `highest` is its similarity to whatever it is most like, what is too new to match also.
        Nothing stands out before there is something to stand out of.
        """
        if len(scores) >= LEAST_PLACES:
            self._middles.append(float(np.median(scores)))
        if not self._middles:
            return NOTHING_STANDS_OUT
        middle = float(np.median(self._middles))
        return Level(middle, max(LEAST_WAY, self._top(highest) - middle))

    def _top(self, highest: float) -> float:
        """What similarity is at most."""
        return 1.0


class WordsBackground(Background):
    """The same where nothing is as similar as 1, as with words.

    The way goes up to what a query is like that shows a view of before: the similarity to the most
    similar place, mostly the one just before, which three of four of the newest queries do not
    reach. (Gálvez-López and Tardós, T-RO 2012, divide by the similarity to the frame before.)
    """

    SHARE = 0.75

    def __init__(self) -> None:
        super().__init__()
        self._highest: deque[float] = deque(maxlen=MOST_QUERIES)

    def _top(self, highest: float) -> float:
        self._highest.append(highest)
        return float(np.quantile(self._highest, self.SHARE))
