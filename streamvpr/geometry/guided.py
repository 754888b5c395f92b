"""Matches that are found once it is known roughly where they must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.bits import as_numbers, distances
from streamvpr.features.keypoints import PER_OCTAVE, TURN
from streamvpr.frames import FeatureKind
from streamvpr.geometry.glimpse import FAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Features

    Points = NDArray[np.float32]
    View = NDArray[np.float64]
    Rows = NDArray[np.intp]

# Analysed pixels from where a view sends a feature to where its match is sought: wide at first, as
# the view is that of a few features.
RADII = 16.0, 8.0, 6.0
# Directions of ORB's corners scatter by ten degrees, their sizes by a level or two of the pyramid.
MOST_TURN = np.deg2rad(30)
MOST_GROWTH = 0.7
# No view is more than three times nearer than the other.
MOST_ZOOM = 3.0
# A view of fewer matches is a similarity: more freedom would explain any six of them.
LEAST_VIEW, LEAST_AFFINE = 3, 6


def guided_matches(query: Features, match: Features, seen: Rows) -> int:
    """How many features of two pictures are alike where a view of a few of them sends them.

    `seen` (A, 2) are rows of features that moved together. Guided matching (Hartley and Zisserman,
    "Multiple View Geometry in Computer Vision", 2004): where a feature's match must be, few others
    are that it could be confused with. The view is fitted anew to what was found, and searched more
    narrowly. 0 where `seen` is no view, and for features other than ORB.
    """
    told = query.poses is not None and match.poses is not None
    if query.kind is not FeatureKind.ORB or not told or len(seen) < LEAST_VIEW:
        return 0
    pair, view = _Pair(query, match), None
    for radius in RADII:
        view = pair.view(seen, None if view is None else radius)
        if view is None:
            return 0
        seen = pair.alike(view, radius)
    return len(seen)


class _Pair:
    """The features of two pictures, in analysed pixels."""

    def __init__(self, query: Features, match: Features) -> None:
        assert query.poses is not None
        assert match.poses is not None
        self._here = np.asarray(query.points / query.scale, np.float32)
        self._there = np.asarray(match.points / match.scale, np.float32)
        here, there = (np.asarray(one.descriptors, np.uint8) for one in (query, match))
        self._bits = as_numbers(here), as_numbers(there)
        self._poses = query.poses.astype(np.float32), match.poses.astype(np.float32)

    def view(self, rows: Rows, radius: float | None) -> View | None:
        """(2, 3) map of matched rows (A, 2), affine where there are enough and a radius is given;
        None where it is no second view."""
        if len(rows) < LEAST_VIEW:
            return None
        here, there = self._here[rows[:, 0]], self._there[rows[:, 1]]
        if radius is None or len(rows) < LEAST_AFFINE:
            return _is_a_view(_similarity(here, there))
        found, _ = cv2.estimateAffine2D(here, there, ransacReprojThreshold=radius / 2)
        return _is_a_view(found)

    def alike(self, view: View, radius: float) -> Rows:
        """(A, 2) rows that are each other's most alike of those within the radius."""
        here, there = self._near(view, radius)
        kept = self._moved_alike(view, here, there)
        here, there = here[kept], there[kept]
        apart = distances(self._bits[0][here], self._bits[1][there])
        # The most alike first; then the first of each row that is left.
        order = np.argsort(apart, kind="stable")[: int((apart < FAR).sum())]
        first = _first(here[order]) & _first(there[order])
        return np.column_stack([here[order[first]], there[order[first]]])

    def _near(self, view: View, radius: float) -> tuple[Rows, Rows]:
        """Rows (P,) of the two pictures' features that lie within the radius of each other."""
        sent = np.asarray(self._here @ view[:, :2].T + view[:, 2], np.float32)
        apart = -2 * sent @ self._there.T
        apart += np.square(sent).sum(axis=1)[:, None]
        apart += np.square(self._there).sum(axis=1)
        here, there = np.divmod(np.flatnonzero(apart < radius * radius), len(self._there))
        return here, there

    def _moved_alike(self, view: View, here: Rows, there: Rows) -> NDArray[np.bool_]:
        """(P,) which of the features turned, and grew, as the view does."""
        turn = np.arctan2(view[1, 0] - view[0, 1], view[0, 0] + view[1, 1])
        growth = np.log(np.linalg.det(view[:, :2])) / 2
        turned, grown = (self._poses[1][there] - self._poses[0][here]).T
        turned = turned * np.float32(2 * np.pi / TURN) - np.float32(turn)
        grown = grown * np.float32(np.log(2) / PER_OCTAVE) - np.float32(growth)
        alike: NDArray[np.bool_] = np.cos(turned) > np.cos(MOST_TURN)
        alike &= np.abs(grown) < MOST_GROWTH
        return alike


def _similarity(here: Points, there: Points) -> View:
    """(2, 3) of least squares: complex numbers turn and grow by a product."""
    one, other = (points.astype(np.float64) @ (1, 1j) for points in (here, there))
    middle, aim = one.mean(), other.mean()
    spread = max(float(np.square(np.abs(one - middle)).sum()), 1e-9)
    factor = ((other - aim) * (one - middle).conj()).sum() / spread
    shift = aim - factor * middle
    return np.array(
        [(factor.real, -factor.imag, shift.real), (factor.imag, factor.real, shift.imag)]
    )


def _is_a_view(found: cv2.typing.MatLike | View | None) -> View | None:
    if found is None or not np.isfinite(found).all():
        return None
    zoomed = float(np.linalg.det(found[:, :2]))
    return np.asarray(found, np.float64) if MOST_ZOOM**-2 < zoomed < MOST_ZOOM**2 else None


def _first(rows: Rows) -> NDArray[np.bool_]:
    """(P,) which are the first of their number."""
    first = np.zeros(len(rows), bool)
    first[np.unique(rows, return_index=True)[1]] = True
    return first
