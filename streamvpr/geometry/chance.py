"""How many inliers pairs of different places have by chance, in this very stream."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

# What random pairs reach is what nine of ten of them do.
QUANTILE = 0.9
# A match must have so many times that. With ORB, random pairs of a robot's corridor, of a campus
# over a year and of fields from above have up to 7, 6 and 5, and the most inliers of all wrong
# pairs there are 2 to 3 times that on the stages that look most alike.
FACTOR = 2.5
# Fewer samples tell nothing, more than these of the newest no more.
LEAST_SAMPLES, MOST_SAMPLES = 10, 256
# After the first so many queries a pair is tried at every so manieth only.
EAGER, PAUSE = 32, 4


class ChanceInliers:
    """Follows the inliers of random pairs of a stream, and says how many a match needs."""

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=MOST_SAMPLES)
        self._asked = 0
        self._reached = 0.0

    def due(self) -> bool:
        """Whether the present query is to be compared with a random place."""
        self._asked += 1
        return self._asked <= EAGER or self._asked % PAUSE == 0

    def add(self, inliers: int) -> None:
        """Take the inliers of a random pair."""
        self._samples.append(inliers)
        if len(self._samples) >= LEAST_SAMPLES:
            self._reached = float(np.quantile(self._samples, QUANTILE))

    def needed(self, min_inliers: int) -> int:
        """Least inliers of a match: what was asked for, and more where chance reaches that."""
        return max(min_inliers, math.ceil(FACTOR * self._reached))
