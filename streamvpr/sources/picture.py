"""A decoded video frame as a picture that makes the arrays asked for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from streamvpr.frames import Image

# Every so many rows of the luma plane take part in its checksum: no picture that differs at all
# hides between them for long, and 1080p costs 0.2 ms.
CHECKSUM_ROWS = 4
COARSE_SIZE = (32, 24)


class Scalers:
    """libswscale's contexts, one for each form of picture: setting one up costs as much as its use.

    They belong to one thread, the one that makes the arrays.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, int, int], VideoReformatter] = {}

    def scale(self, frame: VideoFrame, pixels: str, width: int, height: int) -> Image:
        """The frame as an array of that size and pixel format, uint8."""
        scaler = self._made.setdefault((pixels, width, height), VideoReformatter())
        scaled = scaler.reformat(frame, width, height, pixels, interpolation=Interpolation.AREA)
        return np.asarray(scaled.to_ndarray(), dtype=np.uint8)


class VideoPicture:
    """A decoded video frame; libswscale makes each form straight from its planes."""

    def __init__(self, frame: VideoFrame, scalers: Scalers) -> None:
        self._frame = frame
        self._scalers = scalers
        self._quarter_turns = round(frame.rotation / 90) % 4
        sideways = self._quarter_turns % 2 == 1
        self.width = frame.height if sideways else frame.width
        self.height = frame.width if sideways else frame.height

    def rgb(self, width: int, height: int) -> Image:
        """The whole picture stretched to (height, width, 3), uint8 RGB."""
        return self._converted(width, height, "rgb24")

    def gray(self, width: int, height: int) -> Image:
        """The luma of the whole picture stretched to (height, width), uint8, 0 to 255."""
        return self._converted(width, height, "gray")

    def checksum(self) -> int:
        """CRC-32 of rows of the first plane: equal for pictures that are the same to the bit."""
        return zlib.crc32(np.ascontiguousarray(self._plane()[::CHECKSUM_ROWS]).data)

    def coarse(self) -> Image:
        """(24, 32) uint8 means of the first plane, in the order of the sensor."""
        return np.asarray(
            cv2.resize(self._plane(), COARSE_SIZE, interpolation=cv2.INTER_AREA), np.uint8
        )

    def _plane(self) -> Image:
        """The first plane, mostly luma, without the padding at the end of its rows."""
        plane = self._frame.planes[0]
        if plane.line_size <= 0:  # upside down in memory
            return np.asarray(self._frame.to_ndarray(format="gray"), np.uint8)
        data = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
        rows: Image = data.reshape(plane.height, plane.line_size)
        return rows[:, : plane.width]

    def _converted(self, width: int, height: int, pixels: str) -> Image:
        sideways = self._quarter_turns % 2 == 1
        size = (height, width) if sideways else (width, height)
        array = self._scalers.scale(self._frame, pixels, *size)
        if self._quarter_turns:
            array = np.ascontiguousarray(np.rot90(array, self._quarter_turns))
        return array
