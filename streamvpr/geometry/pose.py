"""How a camera moved between two views: X_match = R X_query + t, in the cameras' own frames.

A camera's frame has x to the right of the picture, y down and z ahead. Directions are points x/z,
y/z. Of t only the direction can be known: its length is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from streamvpr.frames import Epipolar, Homography

    Matrix = NDArray[np.float64]

# Share of the points that must lie before both cameras. The rest are wrong matches on the right
# line, and far points that noise puts behind.
BEFORE_BOTH = 0.9
# Two motions that differ by less are one, found twice: degrees of rotation and of translation.
SAME_ROTATION, SAME_TRANSLATION = 1.0, 5.0


class Motion(NamedTuple):
    """A rigid motion up to the length of its translation."""

    rotation: Matrix
    """(3, 3)."""
    translation: Matrix
    """(3,) of length 1."""


def before_both(motion: Motion, query: Matrix, match: Matrix) -> NDArray[np.bool_]:
    """(M,) which matches of directions, (M, 2) each, meet before both cameras."""
    left = _homogeneous(query) @ motion.rotation.T
    right, t = _homogeneous(match), motion.translation
    # The depths a, b that bring a left + t nearest to b right: two equations in two unknowns.
    ll, rr, lr = ((p * q).sum(axis=1) for p, q in ((left, left), (right, right), (left, right)))
    lt, rt = left @ t, right @ t
    # Over the determinant, which is never negative.
    return np.asarray((lr * rt - rr * lt > 0) & (ll * rt - lr * lt > 0))


def motion_of_essential(matrix: Epipolar, query: Matrix, match: Matrix) -> Motion | None:
    """The one of the four motions of an essential matrix that puts the points before both cameras.

    Hartley and Zisserman, "Multiple View Geometry", 9.6. None where none of them does.
    """
    one, other, t = cv2.decomposeEssentialMat(matrix)
    t = np.asarray(t, np.float64).ravel()
    motions = [Motion(np.asarray(r, np.float64), s * t) for r in (one, other) for s in (1.0, -1.0)]
    counts = [int(before_both(motion, query, match).sum()) for motion in motions]
    best = int(np.argmax(counts))
    return motions[best] if counts[best] >= BEFORE_BOTH * len(query) else None


def motion_of_plane(homography: Homography, query: Matrix, match: Matrix) -> Motion | None:
    """The motion that a homography of directions stands for, where there is only one.

    A plane seen twice leaves two motions (Malis and Vargas, INRIA RR-6303, 2007), of which often
    one has points behind a camera; None where both are possible.
    """
    _, rotations, translations, normals = cv2.decomposeHomographyMat(homography, np.eye(3))
    left = _homogeneous(query)
    possible: list[Motion] = []
    for rotation, shift, normal in zip(rotations, translations, normals, strict=True):
        nearness = left @ normal.ravel()
        ahead = (nearness > 0) & ((left @ rotation.T)[:, 2] + nearness * shift[2] > 0)
        length = float(np.linalg.norm(shift))
        if length > 0 and ahead.mean() >= BEFORE_BOTH:
            direction = np.asarray(shift, np.float64).ravel() / length
            possible.append(Motion(np.asarray(rotation, np.float64), direction))
    return possible[0] if possible and _are_one(possible) else None


def rotation_between(query: Matrix, match: Matrix) -> Matrix:
    """The rotation that takes directions (M, 2) nearest to others: Kabsch, Acta Cryst. A32."""
    left, right = (_unit(_homogeneous(points)) for points in (query, match))
    u, _, v = np.linalg.svd(right.T @ left)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v, np.float64)


def quaternion(rotation: Matrix) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation matrix (3, 3), of length 1 with w 0 or more.

    The eigenvector of Bar-Itzhack (J. Guidance 23(6), 2000): exact for every angle.
    """
    (a, b, c), (d, e, f), (g, h, i) = rotation
    upper = [
        [a - e - i, b + d, c + g, h - f],
        [0, e - a - i, f + h, c - g],
        [0, 0, i - a - e, d - b],
        [0, 0, 0, a + e + i],
    ]
    _, vectors = np.linalg.eigh(np.array(upper), UPLO="U")
    x, y, z, w = (float(v) for v in vectors[:, -1])
    sign = 1.0 if w > 0 or (w == 0 and (x, y, z) > (0, 0, 0)) else -1.0
    return sign * x, sign * y, sign * z, sign * w


def angle_between(one: Matrix, other: Matrix) -> float:
    """Degrees of the rotation from one rotation matrix to another."""
    turn, _ = cv2.Rodrigues(one @ other.T)
    return float(np.degrees(np.linalg.norm(turn)))


def _are_one(motions: Iterable[Motion]) -> bool:
    first, *others = motions
    return all(
        angle_between(first.rotation, other.rotation) < SAME_ROTATION
        and first.translation @ other.translation > np.cos(np.radians(SAME_TRANSLATION))
        for other in others
    )


def _homogeneous(points: Matrix) -> Matrix:
    return np.column_stack([points, np.ones(len(points))])


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)
