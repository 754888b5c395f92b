"""Pictures that lie in files and maps, encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.sources.png_chunks import is_cut_off

if TYPE_CHECKING:
    from streamvpr.frames import Image


def decode(data: bytes) -> Image | None:
    """(H, W, 3) uint8 BGR; None of what is no picture, is damaged, or has more pixels than OpenCV
    was told to take (see the package's own module)."""
    if not data or is_cut_off(data):
        return None
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if found is None else np.asarray(found, np.uint8)
