"""How many inliers pairs of different places have by chance, in this very stream."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from streamvpr.frames import FeatureKind

# What random pairs reach is what nine of ten of them do.
QUANTILE = 0.9
# A match must have so many times that. With ORB, nine of ten random pairs of a robot's corridor, of
# a campus over a year and of fields from above have up to 7, 6 and 5 inliers; with XFeat up to 20
# of the corridor, whose most similar wrong pairs have 60.
FACTOR = 2.5
# What they reach in a corridor of look-alikes, which is believed of every stream at first, and
# weighs as much as so many pairs of its own.
LOOK_ALIKES = {FeatureKind.ORB: 7, FeatureKind.SIFT: 7, FeatureKind.XFEAT: 20}
BELIEVED = 20
MOST_SAMPLES = 256
# A query is compared with so many random places at first, then with one, and after so many queries
# with one at every so manieth only.
AT_ONCE, FIRST_QUERIES, EAGER, PAUSE = 4, 5, 32, 8


class ChanceInliers:
    """Follows the inliers of random pairs of a stream, and says how many a match needs."""

    def __init__(self, kind: FeatureKind = FeatureKind.ORB) -> None:
        """`kind` of local features, by which chance is judged before anything was seen."""
        self._samples: deque[int] = deque(maxlen=MOST_SAMPLES)
        self._asked = 0
        self._believed = self._reached = float(LOOK_ALIKES[kind])
        self._usual = 0.0

    def wanted(self) -> int:
        """With how many random places the next query is to be compared."""
        self._asked += 1
        if self._asked <= FIRST_QUERIES:
            return AT_ONCE
        return int(self._asked <= EAGER or self._asked % PAUSE == 0)

    def add(self, inliers: int) -> None:
        """Take the inliers of a random pair."""
        self._samples.append(inliers)
        share = len(self._samples) / (len(self._samples) + BELIEVED)
        seen = float(np.quantile(self._samples, QUANTILE))
        self._reached = share * seen + (1 - share) * self._believed
        self._usual = float(np.median(self._samples))

    @property
    def meaningless(self) -> float:
        """Inliers that say nothing: FACTOR times what half of the random pairs of this stream have;
        0 before any was seen. Half of those over fields and in corridors have none, half of those
        of thumbnails five."""
        return FACTOR * self._usual

    def needed(self, min_inliers: int) -> int:
        """Least inliers of a match: what was asked for, and more where chance reaches that."""
        return max(min_inliers, math.ceil(FACTOR * self._reached))
