"""How much two views have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Points along each side of the frame that are sent to the other view: right to two hundredths.
GRID = 48


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
    affine = np.linalg.lstsq(_homogeneous(here), there.astype(np.float64), rcond=None)[0]
    middles = (np.arange(GRID) + 0.5) / GRID
    grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    x, y = (_homogeneous(grid * here_size) @ affine).T
    width, height = there_size
    return float(np.mean((x >= 0) & (x < width) & (y >= 0) & (y < height)))


def _homogeneous(points: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))]).astype(np.float64)
