"""A look at the strongest features of two pictures, before all of them are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.features.keypoints import PER_OCTAVE, TURN
from streamvpr.frames import FeatureKind
from streamvpr.geometry.correspondence import correspond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

    Complex = NDArray[np.complex64]
    Mask = NDArray[np.bool_]

# Of the thousand of each picture: a seventh of all pairs.
STRONGEST = 384
# Where features are looked at closely: of as many of a larger picture, more belong to small parts.
STRONGEST_CLOSELY = 512
# Matches that are compared with each other at most.
MOST_MATCHES = 64
# Two matches agree where the segment between them turns, and grows, as both features do, within
# this: the directions of ORB's corners scatter by ten degrees, its sizes by a level of the pyramid.
MOST_TURN = np.deg2rad(20)
MOST_GROWTH = 0.46
# Segments that are shorter, in analysed pixels, have no direction.
SHORTEST = 8.0
# Matches around which the most others agree are tried as views.
TRIED = 4
# A match belongs to a view that sends its point so near, in analysed pixels: similarities stand
# here for homographies.
NEAR = 16.0
# No view is more than three times nearer than the other.
MOST_ZOOM = np.log(3)
# Bits in which two descriptors differ that say nothing of each other. (HBST's votes end there.)
FAR = 50
# Any two matches go with some similarity.
LEAST_AGREEING = 3


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the strongest features of two pictures say."""

    matches: int
    """Mutual matches of all features, estimated from those of the strongest."""
    agreeing: int
    """Matches of the strongest that one similarity explains: about a third of all inliers."""
    closeness: float = 0.0
    """0 to 1: how near the strongest features are to the nearest of the other picture, wherever
    that is; 0 also of a kind of which that is not known."""
    view: NDArray[np.intp] = field(
        default_factory=lambda: np.empty((0, 2), np.intp), compare=False, repr=False
    )
    """(agreeing, 2) rows of the features that agree."""


def glance(query: Features, match: Features, strongest: int = STRONGEST) -> Glimpse:
    """How many of the strongest features moved together, from one picture to the other.

    Weak geometric consistency (Jégou, Douze and Schmid, ECCV 2008) with Lowe's clustering of poses
    (IJCV 2004): each match says how the picture turned and grew between the views, and so does the
    segment between each two of them.
    """
    rows, distances = correspond(query, match, strongest)
    seen = min(len(query.points), strongest)
    matches = round(len(rows) * len(query.points) / seen) if seen else 0
    compared = rows[:MOST_MATCHES]
    view = compared[_Moved(query, match, compared).agreeing()]
    return Glimpse(matches, len(view), _closeness(distances, query.kind), view)


def _closeness(distances: NDArray[np.int32] | NDArray[np.float32], kind: FeatureKind) -> float:
    if kind is not FeatureKind.ORB or not len(distances):
        return 0.0
    return float(np.maximum(1 - distances / FAR, 0).mean())


class _Moved:
    """Matches (M,) as numbers of the complex plane, where a similarity is a product and a sum."""

    def __init__(self, query: Features, match: Features, rows: NDArray[np.intp]) -> None:
        self._here = _complex(query.points[rows[:, 0]] / query.scale)
        self._there = _complex(match.points[rows[:, 1]] / match.scale)
        turn, self._growth = _change(query, match, rows)
        self._turn = np.exp(1j * turn).astype(np.complex64)

    def agreeing(self) -> Mask:
        """(M,) the most matches that one similarity explains; those of two are nothing."""
        if len(self._here) < LEAST_AGREEING:
            return np.zeros(len(self._here), bool)
        agree = self._agree()
        views = agree[np.argsort(-agree.sum(axis=1), kind="stable")[:TRIED]]
        explained = self._explained(views)
        most: Mask = explained[explained.sum(axis=1).argmax()]
        return most

    def _agree(self) -> Mask:
        """(M, M): whether two matches moved as the segment between them did."""
        here = self._here[None] - self._here[:, None]
        there = self._there[None] - self._there[:, None]
        long, new = _squared(here), _squared(there)
        turned = (there * here.conj() * self._turn.conj()[:, None]).real
        grown = np.log(np.maximum(new, 1) / np.maximum(long, 1)) / 2 - self._growth[:, None]
        along = (turned > 0) & (turned * turned > np.cos(MOST_TURN) ** 2 * long * new)
        along &= np.abs(grown) < MOST_GROWTH
        agree: Mask = along & along.T & (long > SHORTEST**2)
        np.fill_diagonal(agree, True)
        return agree

    def _explained(self, views: Mask) -> Mask:
        """(V, M): which matches go with the similarity that fits each view's matches best."""
        count = views.sum(axis=1)
        sums = np.maximum(count, 1)
        here = self._here - (views @ self._here / sums)[:, None]
        there = self._there - (views @ self._there / sums)[:, None]
        spread = (views * (here * here.conj()).real).sum(axis=1)
        factor = (views * there * here.conj()).sum(axis=1) / np.maximum(spread, 1e-9)
        size = np.abs(factor)
        near = np.abs(there - factor[:, None] * here) < NEAR
        turned = (factor[:, None] * self._turn.conj()).real > np.cos(2 * MOST_TURN) * size[:, None]
        grown = np.log(np.maximum(size, 1e-9))[:, None] - self._growth
        is_view = (count >= LEAST_AGREEING) & (np.abs(np.log(np.maximum(size, 1e-9))) < MOST_ZOOM)
        explained: Mask = near & turned & (np.abs(grown) < 1.5 * MOST_GROWTH) & is_view[:, None]
        return explained


def _squared(numbers: Complex) -> NDArray[np.float32]:
    return numbers.real * numbers.real + numbers.imag * numbers.imag


def _complex(points: NDArray[np.floating]) -> Complex:
    return np.ascontiguousarray(points, np.float32).view(np.complex64)[:, 0]


def _change(
    query: Features, match: Features, rows: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M,) each: how far the matched features turned, in radians, and the logarithm of how much
    they grew; upright and as large as before where their kind does not tell."""
    if query.poses is None or match.poses is None:
        return np.zeros(len(rows)), np.zeros(len(rows))
    here = query.poses[rows[:, 0]].astype(np.float64)
    turn, octaves = (match.poses[rows[:, 1]] - here).T
    return turn * (2 * np.pi / TURN), (octaves * (np.log(2) / PER_OCTAVE)).astype(np.float32)
