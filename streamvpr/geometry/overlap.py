"""How much two views have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Points along each side of the frame that are sent to the other view: right to two hundredths.
GRID = 48
_MIDDLES = (np.arange(GRID) + 0.5) / GRID


def view_overlap(
    query_points: NDArray[np.float32],
    match_points: NDArray[np.float32],
    query_size: tuple[int, int],
    match_size: tuple[int, int],
) -> float:
    """Share of the smaller view that the other one shows, 0 to 1.

    A frame is laid into the other picture by the affine map that fits the corresponding points,
    (M, 2) pixels each, best by least squares. A homography would be no better a guide: where its
    inliers lie in one part of the picture, it says anything of the rest. Sizes are (width, height).
    """
    return max(
        _share(query_points, match_points, query_size, match_size),
        _share(match_points, query_points, match_size, query_size),
    )


def _share(
    here: NDArray[np.float32],
    there: NDArray[np.float32],
    here_size: tuple[int, int],
    there_size: tuple[int, int],
) -> float:
    """Share of the frame of one view that falls into the other's."""
    # Around the middle of the points, where two unknowns are left of three, and small numbers.
    middle, target = here.mean(axis=0, dtype=np.float64), there.mean(axis=0, dtype=np.float64)
    around = here - middle
    products = around.T @ around, around.T @ (there - target)
    linear = np.linalg.lstsq(*products, rcond=None)[0]
    # (2, GRID) and (GRID, 2): what the columns and the rows of a grid over the frame add up to.
    columns = np.outer(linear[0], _MIDDLES * here_size[0] - middle[0])
    rows = np.outer(_MIDDLES * here_size[1] - middle[1], linear[1]) + target
    x, y = (rows[:, axis, None] + columns[axis] for axis in (0, 1))
    width, height = there_size
    return float(((x >= 0) & (x < width) & (y >= 0) & (y < height)).mean())
