"""Pictures for calibrating and checking: from a folder, or from packages that carry photos.

Only photos of places and things that a published package ships are named here, so that anyone can
repeat a calibration. None of them comes from a sequence that the project is measured on.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Picture = NDArray[np.uint8]
"""(H, W, 3), RGB."""

WHEEL_PHOTOS = (
    "skimage/data/astronaut.png",
    "skimage/data/brick.png",
    "skimage/data/camera.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/coins.png",
    "skimage/data/grass.png",
    "skimage/data/gravel.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/motorcycle_right.png",
    "skimage/data/rocket.jpg",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
"""The photos, among all pictures, of scikit-image's and scikit-learn's wheels."""

SUFFIXES = {".jpg", ".jpeg", ".png"}
CROP = 0.6
"""The part of each side that a crop keeps."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Decoded photos."""

    pictures: tuple[Picture, ...]

    def whole(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Each photo stretched to `size` = (width, height): (N, H, W, 3)."""
        return np.stack([resize(each, size) for each in self.pictures])

    def crops(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The four corners and the middle of each photo, stretched to `size`: (5 N, H, W, 3)."""
        return np.stack([resize(c, size) for each in self.pictures for c in five_crops(each)])


def read_photos(places: list[Path]) -> Photos:
    """Every photo in these folders and wheels, in the order of their names."""
    pictures = [decode(content) for place in places for content in read_files(place)]
    if not pictures:
        raise ValueError(f"no photos in {', '.join(each.name for each in places)}")
    return Photos(tuple(pictures))


def read_files(place: Path) -> Iterator[bytes]:
    """The files of a folder's pictures, or of the photos that a wheel is known to carry."""
    if place.is_dir():
        for path in sorted(place.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                yield path.read_bytes()
        return
    with zipfile.ZipFile(place) as wheel:
        carried = set(wheel.namelist())
        yield from (wheel.read(name) for name in WHEEL_PHOTOS if name in carried)


def decode(content: bytes) -> Picture:
    """A JPEG's or PNG's pixels."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("a file that is no picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def five_crops(picture: Picture) -> Iterator[Picture]:
    """The corners and the middle."""
    height, width = picture.shape[:2]
    rows, columns = round(height * CROP), round(width * CROP)
    bottom, right = height - rows, width - columns
    for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
        yield picture[top : top + rows, left : left + columns]


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """Stretch to `size` = (width, height), averaging areas when that is smaller."""
    smaller = picture.shape[1] >= size[0] and picture.shape[0] >= size[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = cv2.resize(picture, size, interpolation=interpolation)
    return resized.astype(np.uint8, copy=False)


def random_pictures(count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Noise from fine (one pixel) to coarse (64 pixels): (count, H, W, 3), always the same."""
    width, height = size
    generator = np.random.default_rng(0)
    pictures = []
    for index in range(count):
        grain = 2 ** (index % 7)
        shape = (-(-height // grain), -(-width // grain), 3)
        pictures.append(resize(generator.integers(0, 256, shape, dtype=np.uint8), size))
    return np.stack(pictures)
