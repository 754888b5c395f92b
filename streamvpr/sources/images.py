"""A folder of images as a source."""

from __future__ import annotations

import logging
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamvpr.errors import SourceLost, SourceOpenError
from streamvpr.frames import Frame, StreamEvent, StreamState, Track
from streamvpr.sources.address import as_text
from streamvpr.sources.base import report_nothing
from streamvpr.sources.jpeg import JpegDecoder
from streamvpr.sources.png_chunks import is_cut_off
from streamvpr.sources.positions import read_exif

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamvpr.frames import Image, Picture
    from streamvpr.sources.base import Report

logger = logging.getLogger(__name__)

# What OpenCV was told: see the package's own module.
LARGEST = os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS", "2^30")

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that counts runs of digits as numbers: 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]


class ImagePicture:
    """A decoded image: (H, W, 3) uint8 BGR, upright by its EXIF orientation."""

    def __init__(self, bgr: Image) -> None:
        self._bgr = bgr
        self.height, self.width = bgr.shape[:2]

    def rgb(self, width: int, height: int) -> Image:
        """The whole picture stretched to (height, width, 3), uint8 RGB."""
        return _as_image(cv2.cvtColor(_stretched(self._bgr, width, height), cv2.COLOR_BGR2RGB))

    def gray(self, width: int, height: int) -> Image:
        """The luma of the whole picture stretched to (height, width), uint8."""
        return _stretched(self._luma, width, height)

    @cached_property
    def _luma(self) -> Image:
        # Of the picture as it is: scaling three colours costs three times as much.
        return _as_image(cv2.cvtColor(self._bgr, cv2.COLOR_BGR2GRAY))


def _stretched(picture: Image, width: int, height: int) -> Image:
    """The picture in that size, without aliasing."""
    # Halving is many times as fast as other sizes, and where halves are left no worse.
    while picture.shape[1] >= 4 * width and picture.shape[0] >= 4 * height:
        half = picture.shape[1] // 2, picture.shape[0] // 2
        picture = _as_image(cv2.resize(picture, half, interpolation=cv2.INTER_AREA))
    if picture.shape[:2] == (height, width):
        return picture
    # Averaging over the area does not alias; it only makes sense when shrinking.
    shrinks = width <= picture.shape[1] and height <= picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _as_image(cv2.resize(picture, (width, height), interpolation=method))


class ImageFolderSource:
    """The images of one folder in natural order.

    An image that cannot be read is skipped with a warning and counted; the frames have no time.
    """

    has_clock = False
    default_fps = 0.0
    live = False
    on_disk = True
    undecoded = 0

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self.path = as_text(str(folder))
        self.skipped = 0
        self.report: Report = report_nothing
        self._stopping = False
        self._jpeg = JpegDecoder()
        try:
            found = [entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES]
        except OSError as error:
            raise SourceOpenError(
                f"cannot read the folder {folder}: {error.strerror}", url=self.path
            ) from error
        self._files = sorted(found, key=lambda entry: natural_key(entry.name))
        if not self._files:
            known = " ".join(sorted(SUFFIXES))
            raise SourceOpenError(
                f"no images in the folder {folder}; looked for {known}", url=self.path
            )

    @property
    def span(self) -> float:
        """Number of image files."""
        return len(self._files)

    def frames(self) -> Iterator[Frame]:
        """Decode one image after the other. Raises SourceLost where none can be read."""
        connected = False
        for file in self._files:
            if self._stopping:
                return
            data = _read(file)
            picture = None if data is None else _decode(file, data, self._jpeg)
            if data is None or picture is None:
                self.skipped += 1
                continue
            if not connected:
                connected = True
                track = Track(file.suffix[1:].lower(), picture.width, picture.height)
                self.report(StreamEvent(StreamState.CONNECTED, track=track))
            fix = read_exif(data)
            yield Frame(None, as_text(str(file)), picture, position=fix.position, taken=fix.taken)
        if self.skipped == len(self._files):
            raise SourceLost(
                f"none of the {self.skipped} images in {self.path} can be read", url=self.path
            )

    def stop(self) -> None:
        """Read no more."""
        self._stopping = True

    def close(self) -> None:
        """Nothing stays open between two images."""


def read_image(file: Path) -> Picture | None:
    """The picture of an image file; None, with a warning, for what is none or is not there."""
    data = _read(file)
    return None if data is None else _decode(file, data, JpegDecoder())


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError as error:
        logger.warning("skipped %s: %s", file, error.strerror or error)
        return None


def _decode(file: Path, data: bytes, jpeg: JpegDecoder) -> Picture | None:
    picture = jpeg.decode(data)
    if picture is not None:
        return picture
    if is_cut_off(data):
        logger.warning("skipped %s: it is cut off", file)
        return None
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        logger.warning("skipped %s: it is damaged, or has more than %s pixels", file, LARGEST)
        return None
    if bgr is None:
        logger.warning("skipped %s: it is empty or no image", file)
        return None
    return ImagePicture(_as_image(bgr))


def _as_image(array: cv2.typing.MatLike) -> Image:
    return np.asarray(array, dtype=np.uint8)
