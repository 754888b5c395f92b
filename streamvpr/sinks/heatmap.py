"""The picture of a similarity matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.frames import Image

# A picture is at least so wide and high, but for what is left over by whole pixels a cell.
LEAST_SIDE = 512
# Shares of the similarities that are drawn in the darkest colour and in the brightest.
DARKEST, BRIGHTEST = 0.1, 0.998


def contrast(values: NDArray[np.float32]) -> tuple[float, float]:
    """The similarities drawn darkest and brightest, of (R, C) with NaN where there is none.

    What is beyond is drawn as they are; a pair of a query and itself does not count.
    """
    known = values[np.isfinite(values) & (values < 1 - 1e-5)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.quantile(known, (DARKEST, BRIGHTEST))
    return float(low), max(float(high), float(low) + 1e-3)


def draw_heatmap(values: NDArray[np.float32], least_side: int = LEAST_SIDE) -> bytes:
    """PNG of a matrix (R, C), queries downwards and places to the right; clear where it is NaN.

    In the colours of "inferno", which are as far apart for the eye as the numbers are. A cell has
    so many whole pixels that both sides have `least_side` at least, but for the last cell.
    """
    low, high = contrast(values)
    share = np.nan_to_num((values - low) / (high - low))
    levels = np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)
    picture = np.zeros((*values.shape, 4), np.uint8)
    if values.size:
        picture[..., :3] = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    picture[..., 3] = np.where(np.isfinite(values), 255, 0)
    _, data = cv2.imencode(".png", _enlarged(picture, least_side))
    return bytes(data)


def scale(steps: int) -> list[str]:
    """The colours from the darkest to the brightest, as CSS writes them."""
    levels = np.rint(np.linspace(0, 255, steps)).astype(np.uint8)
    found = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_INFERNO)[:, 0]
    return [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in found.tolist()]


def _enlarged(picture: Image, least_side: int) -> Image:
    """With whole pixels a cell; one clear pixel where there are no cells."""
    if not picture.size:
        return np.zeros((1, 1, 4), np.uint8)
    rows, columns = picture.shape[:2]
    down, right = (max(1, -(-least_side // side)) for side in (rows, columns))
    return np.asarray(picture.repeat(down, axis=0).repeat(right, axis=1), np.uint8)
