"""Which kind of map describes two views: a plane's, or that of a scene with depth.

A fundamental matrix binds a match to a line only, so it always explains at least as many matches as
the homography does, and on a wrong pair more of them by chance. Counting inliers would therefore
choose it always. Two questions are asked instead, of numbers alone:

    does the scene have depth?   Torr's GRIC, which sets the error against the model's freedom
    is that more than chance?    Moisan and Stival's number of false alarms
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A match is four numbers: x and y in either picture.
MATCH_NUMBERS = 4
# Most that an outlier costs, for each number that the model takes from it: Torr's lambda 3.
OUTLIER_COST = 2.0


@dataclass(frozen=True, slots=True)
class ModelKind:
    """What is free in a model, and how much it demands of a match."""

    dimension: int
    """Of the matches that it allows: 2 where a point has one place, 3 where it has a line."""
    parameters: int
    """Free numbers of the model itself."""
    sample: int
    """Matches that determine it."""


PLANE = ModelKind(dimension=2, parameters=8, sample=4)
DEPTH = ModelKind(dimension=3, parameters=7, sample=7)
CALIBRATED_DEPTH = ModelKind(dimension=3, parameters=5, sample=5)
TURN = ModelKind(dimension=2, parameters=3, sample=2)


def noise(reproj_thresh: float) -> float:
    """The standard deviation of a coordinate, of which the threshold of inliers is three."""
    return reproj_thresh / 3


def gric(squared_errors: NDArray[np.float64], sigma: float, kind: ModelKind) -> float:
    """Torr's geometric robust information criterion: the model with the lower one describes better.

    "Bayesian model estimation and selection for epipolar geometry and generic manifold fitting",
    IJCV 50(1), 2002. `squared_errors` (N,): of each match the squared distance to the nearest pair
    of points that the model allows, in the four coordinates of the two pictures; `sigma` the
    standard deviation of a coordinate, in the same pixels.

    Give it the matches that at least one of the models compared explains. What none explains says
    nothing about the scene, and would speak for the model that pays less for an outlier.
    """
    count = len(squared_errors)
    if count == 0:
        return 0.0
    freedom = MATCH_NUMBERS - kind.dimension
    misfit = np.minimum(squared_errors / sigma**2, OUTLIER_COST * freedom).sum()
    structure = math.log(MATCH_NUMBERS) * kind.dimension * count
    return float(misfit + structure + math.log(MATCH_NUMBERS * count) * kind.parameters)


def log10_false_alarms(inliers: int, matches: int, chance: float, kind: ModelKind) -> float:
    """log10 of how often as many inliers are to be expected of matches that are all wrong.

    Moisan and Stival, "A probabilistic criterion to detect rigid point matches between two images
    and estimate the fundamental matrix", IJCV 57(3), 2004. `chance` is the probability that one
    wrong match fits a given model. 0 or more is what chance gives.
    """
    size = kind.sample
    if inliers <= size or matches <= size:
        return 0.0
    tests = math.log10(matches - size)
    choices = _log10_choose(matches, inliers) + _log10_choose(inliers, size)
    return tests + choices + (inliers - size) * math.log10(min(chance, 1.0))


def _log10_choose(whole: int, part: int) -> float:
    natural = math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)
    return natural / math.log(10)
