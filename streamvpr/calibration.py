"""From similarities of frames far apart to a model's two thresholds, without labels.

Frames far apart in time mostly show different places, and a few of them revisits. What is asked of
their similarities s must not depend on those few, nor need them:

- **Shape.** d = (1 - s) / 2 is a quarter of the squared distance of two unit vectors, 0 to 1. Where
  descriptors lie in a narrow cone, as those of a model that presses all similarities together, that
  is about a scaled chi-square, and its cube root is close to normal (Wilson and Hilferty, *The
  distribution of chi-square*, PNAS 1931). Where they fill the sphere evenly it is symmetric, and
  normal as it is. Both are beta distributions, and theirs is the general case: the power that makes
  one normal, to the third cumulant and by the same reasoning, is h = (1 + m) / (3 (1 - m)) for a
  median m, in whatever number of dimensions. So the scale is r = d^h. r = 0 is s = 1, which nothing
  can pass.
- **Centre and spread.** The median of r, and the spread from the half that is less alike, mirrored:
  its median distance from the centre over that of a normal distribution (the median absolute
  deviation; Hampel 1974). Revisits are in the other half, and move both by little.
- **`without_geometry`.** The best of N wrong places exceeds a level with a probability of at most
  N times that of one: the union bound, which holds however much those places depend on each other.
  The level is that at which this is `RATE` for `PLACES` places.
- **`value`.** The median of the far pairs. Geometry looks at a handful of candidates; what is less
  alike than half of all wrong places would not be among them in a past of ten places. Where even
  neighbours in time fall below that, their lower quartile is taken: three of four of them pass.
- **Error.** Neighbouring frames are no independent samples, so pairs say little about how far off
  this may be. The recording is cut into `STRETCHES`, each left out once with all its pairs: the
  jackknife over blocks (Künsch, *The jackknife and the bootstrap for general stationary
  observations*, Annals of Statistics 1989).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from streamvpr.views import Views

# Queries with a false best match, at most: hardly any, and more than a recording of minutes shows.
RATE = 0.01
# Places that differ: of the 20,000 frames that a run keeps by default, at two a second, some twenty
# in a row show the same. Ten times as many would move the level by half a spread.
PLACES = 1000
# Of a recording, for the jackknife: each long beside what neighbours share, and enough of them for
# a spread.
STRETCHES = 10
# Of the histograms, over -1 to 1.
BIN_WIDTH = 1e-4
BINS = round(2 / BIN_WIDTH)
# Median absolute deviation of the standard normal distribution.
NORMAL_DEVIATION = NormalDist().inv_cdf(0.75)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Both thresholds, and what they were made from; all are cosine similarities, -1 to 1."""

    value: float
    """Least similarity of a candidate that geometry decides on."""
    without_geometry: float
    """Least similarity where it decides alone; never below `value`."""
    without_geometry_error: float | None
    """Its standard error; None where the recording is too short to tell."""
    median_far: float
    median_far_error: float | None
    spread: float
    """How far below the median far pairs are that lie one standard deviation from it."""
    median_near: float | None
    quartile_near: float | None
    """Similarity that one neighbour of four stays below; None where there are no neighbours."""
    near_share: float | None
    """Share of the neighbours that reach `without_geometry`."""


def propose(far: NDArray[np.int64], near: NDArray[np.int64]) -> Proposal:
    """Thresholds from the counts of far pairs by stretches, and those of neighbours (BINS,).

    `far` is that of `count_far`, (S, S, BINS), with at least one pair.
    """
    whole = _Fit.of(far.sum((0, 1)))
    parts = [_Fit.of(left) for left in _leaving_out(far) if left.any()]
    quartile_near = quantile(near, 0.25) if near.any() else None
    level = whole.level
    return Proposal(
        value=whole.median if quartile_near is None else min(whole.median, quartile_near),
        without_geometry=level,
        without_geometry_error=_jackknife([part.level for part in parts]),
        median_far=whole.median,
        median_far_error=_jackknife([part.median for part in parts]),
        spread=whole.median - whole.at(1),
        median_near=quantile(near, 0.5) if near.any() else None,
        quartile_near=quartile_near,
        near_share=share_from(near, level) if near.any() else None,
    )


def count_far(views: Views, gap: int) -> NDArray[np.int64]:
    """Histograms (S, S, BINS) of the pairs of views of one recording `gap` or more frames apart.

    Entry (a, b) is for the later frame in stretch a and the earlier in b. Blockwise: memory is that
    of one pair of stretches.
    """
    counts = np.zeros((STRETCHES, STRETCHES, BINS), np.int64)
    stretches = np.array_split(np.arange(len(views)), STRETCHES)
    for a, later in enumerate(stretches):
        for b, earlier in enumerate(stretches[: a + 1]):
            counts[a, b] = count(_far_similarities(views, later, earlier, gap))
    return counts


def count(similarities: ArrayLike) -> NDArray[np.int64]:
    """The histogram (BINS,) of similarities; rounding beyond -1 and 1 counts as those."""
    found = np.asarray(similarities, np.float64).ravel()
    bins = np.clip((found + 1) / BIN_WIDTH, 0, BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=BINS)


def quantile(counts: NDArray[np.int64], share: float) -> float:
    """The similarity that a share (0 to 1) of what was counted stays below."""
    below = np.cumsum(counts)
    wanted = share * below[-1]
    at = int(np.searchsorted(below, wanted))
    inside = (wanted - (below[at] - counts[at])) / max(1, counts[at])
    return float((at + inside) * BIN_WIDTH - 1)


def share_from(counts: NDArray[np.int64], similarity: float) -> float:
    """Share of what was counted that is at least so similar."""
    first = math.ceil(round((similarity + 1) / BIN_WIDTH, 6))
    return float(counts[first:].sum() / counts.sum())


@dataclass(frozen=True, slots=True)
class _Fit:
    """Where far pairs lie: r = ((1 - s) / 2)^power is about normal."""

    power: float
    centre: float
    spread: float

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> _Fit:
        """From a histogram that is not empty: what is less alike than its median, mirrored."""
        middle, outer = ((1 - quantile(counts, share)) / 2 for share in (0.5, 0.25))
        power = _normalising_power(middle)
        centre = middle**power
        return cls(power, centre, (outer**power - centre) / NORMAL_DEVIATION)

    @property
    def median(self) -> float:
        return self.at(0)

    @property
    def level(self) -> float:
        """What the best of PLACES wrong places exceeds with a probability of at most RATE."""
        return self.at(NormalDist().inv_cdf(RATE / PLACES))

    def at(self, deviations: float) -> float:
        """The similarity so many standard deviations from the centre, to the less alike side."""
        r = max(0.0, self.centre + deviations * self.spread)
        return float(1 - 2 * r ** (1 / self.power))


def _normalising_power(median: float) -> float:
    """From 1/3 for a median distance of 0 to 1 for one of a half, and beyond."""
    middle = min(median, 0.5)
    return (1 + middle) / (3 * (1 - middle))


def _far_similarities(
    views: Views, later: NDArray[np.int64], earlier: NDArray[np.int64], gap: int
) -> NDArray[np.float32]:
    apart = views.indices[later, None] - views.indices[None, earlier] >= gap
    together = views.recordings[later, None] == views.recordings[None, earlier]
    similarities = views.descriptors[later] @ views.descriptors[earlier].T
    return np.asarray(similarities[apart & together], np.float32)


def _leaving_out(far: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The histogram (BINS,) without each of the stretches."""
    whole = far.sum((0, 1))
    return [whole - far[s].sum(0) - far[:, s].sum(0) + far[s, s] for s in range(len(far))]


def _jackknife(estimates: list[float]) -> float | None:
    """Standard error from estimates that leave out one block each."""
    if len(estimates) < 2:
        return None
    return float(np.std(estimates) * math.sqrt(len(estimates) - 1))
