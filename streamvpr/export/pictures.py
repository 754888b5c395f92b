"""Pictures to fit, calibrate and check with: the user's own, and some that are always there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.errors import ConfigError
from streamvpr.keyframes import FrameReader
from streamvpr.sources import name_sources, open_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    """(H, W, 3), RGB."""
    Pictures = NDArray[np.uint8]
    """(N, H, W, 3), RGB."""

Size = tuple[int, int]
"""(width, height)."""

GRAINS = 7
PHOTO = "sample_data/grace_hopper.jpg"
"""Among matplotlib's own data: a photograph that every machine with streamvpr has."""
CROPS = (1.0, 0.8, 0.6, 0.45)
"""Sides of what is cut from the photograph, of its shorter side."""


def read_pictures(source: str, size: Size) -> Iterator[Picture]:
    """The pictures of a folder or video, as a run would feed them to the model.

    Of a video two a second. Raises ConfigError where it has no end, and SourceError.
    """
    ((name, address),) = name_sources([source])
    opened = open_source(address, name=name)
    if opened.live:
        opened.close()
        raise ConfigError(f"--fit {source} is live; give a folder of pictures or a video")
    reader = FrameReader(opened, fps=None)
    try:
        while (frame := reader.next()) is not None:
            yield frame.picture.rgb(*size)
    finally:
        reader.close()


def spread(pictures: Iterable[Picture], most: int) -> Pictures:
    """Up to `most` of the pictures, evenly spread over all of them."""
    kept: list[Picture] = []
    step = 1
    for index, picture in enumerate(pictures):
        if index % step == 0:
            kept.append(picture)
        if len(kept) > most:
            kept, step = kept[::2], step * 2
    return np.stack(kept)


def noise(count: int, size: Size) -> Pictures:
    """Noise from fine (one pixel) to coarse (64 pixels), always the same."""
    width, height = size
    generator = np.random.default_rng(0)
    made = []
    for index in range(count):
        grain = 2 ** (index % GRAINS)
        shape = (-(-height // grain), -(-width // grain), 3)
        made.append(_resize(generator.integers(0, 256, shape, dtype=np.uint8), size))
    return np.stack(made)


def photographs(count: int, size: Size) -> Pictures:
    """Parts of a photograph, near and far, plain and mirrored; always the same."""
    import matplotlib

    read = cv2.imread(f"{matplotlib.get_data_path()}/{PHOTO}")
    if read is None:
        raise ConfigError(f"matplotlib lacks {PHOTO}; install it again")
    photo = np.asarray(read, np.uint8)[..., ::-1]
    chance = np.random.default_rng(0)
    return np.stack([_resize(_crop(photo, index, chance), size) for index in range(count)])


def _crop(photo: Picture, index: int, chance: np.random.Generator) -> Picture:
    height, width = photo.shape[:2]
    side = int(min(height, width) * CROPS[index % len(CROPS)])
    top, left = chance.integers(0, height - side + 1), chance.integers(0, width - side + 1)
    crop = photo[top : top + side, left : left + side]
    return crop[:, ::-1] if index % 2 else crop


def _resize(picture: Picture, size: Size) -> Picture:
    smaller = picture.shape[1] >= size[0] and picture.shape[0] >= size[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)
