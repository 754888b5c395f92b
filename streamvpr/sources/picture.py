"""A decoded video frame as a picture that makes the arrays asked for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

    from streamvpr.frames import Image

# Every so many rows of the luma plane take part in its checksum: no picture that differs at all
# hides between them for long, and 1080p costs 0.2 ms.
CHECKSUM_ROWS = 4
COARSE_SIZE = (32, 24)


class Scalers:
    """libswscale's contexts, one for each form of picture: setting one up costs as much as its use.

    They belong to one thread, the one that makes the arrays.
    """

    def __init__(self, *, full_colour: bool = False) -> None:
        """`full_colour`: into pixels of three libswscale halves the colours' resolution, which
        those of most video are already; into a plane for each it does not."""
        self._full_colour = full_colour
        self._made: dict[tuple[str, int, int], VideoReformatter] = {}

    def rgb(self, frame: VideoFrame, width: int, height: int) -> Image:
        """The frame as (height, width, 3) uint8 RGB. Raises MemoryError."""
        if not self._full_colour:
            return np.asarray(self._scale(frame, "rgb24", width, height).to_ndarray(), np.uint8)
        green, blue, red = map(_pixels, self._scale(frame, "gbrp", width, height).planes)
        return np.asarray(cv2.merge([red, green, blue]), np.uint8)

    def gray(self, frame: VideoFrame, width: int, height: int) -> Image:
        """The frame's luma as (height, width) uint8. Raises MemoryError."""
        return np.asarray(self._scale(frame, "gray", width, height).to_ndarray(), np.uint8)

    def _scale(self, frame: VideoFrame, pixels: str, width: int, height: int) -> VideoFrame:
        scaler = self._made.setdefault((pixels, width, height), VideoReformatter())
        try:
            return scaler.reformat(frame, width, height, pixels, interpolation=Interpolation.AREA)
        except BlockingIOError as error:
            # So the system calls it where a thread of the scaler gets no stack.
            size = f"{frame.width}x{frame.height}"
            raise MemoryError(f"no thread to scale a picture of {size}") from error


class VideoPicture:
    """A decoded video frame; libswscale makes each form straight from its planes."""

    def __init__(
        self, frame: VideoFrame, scalers: Scalers, *, quarter_turns: int | None = None
    ) -> None:
        """`quarter_turns`: anticlockwise, to the upright picture; None where the frame says it."""
        self._frame = frame
        self._scalers = scalers
        told = round(frame.rotation / 90) if quarter_turns is None else quarter_turns
        self._quarter_turns = told % 4
        sideways = self._quarter_turns % 2 == 1
        self.width = frame.height if sideways else frame.width
        self.height = frame.width if sideways else frame.height

    def rgb(self, width: int, height: int) -> Image:
        """The whole picture stretched to (height, width, 3), uint8 RGB."""
        return self._upright(self._scalers.rgb(self._frame, *self._stored(width, height)))

    def gray(self, width: int, height: int) -> Image:
        """The luma of the whole picture stretched to (height, width), uint8, 0 to 255."""
        return self._upright(self._scalers.gray(self._frame, *self._stored(width, height)))

    def checksum(self) -> int:
        """CRC-32 of rows of the first plane: equal for pictures that are the same to the bit."""
        return zlib.crc32(np.ascontiguousarray(self._plane()[::CHECKSUM_ROWS]).data)

    def coarse(self) -> Image:
        """(24, 32) uint8 means of the first plane, in the order of the sensor."""
        return np.asarray(
            cv2.resize(self._plane(), COARSE_SIZE, interpolation=cv2.INTER_AREA), np.uint8
        )

    def _plane(self) -> Image:
        """The first plane, mostly luma."""
        plane = self._frame.planes[0]
        if plane.line_size <= 0:  # upside down in memory
            return np.asarray(self._frame.to_ndarray(format="gray"), np.uint8)
        return _pixels(plane)

    def _stored(self, width: int, height: int) -> tuple[int, int]:
        """The size, lying as the frame does."""
        return (height, width) if self._quarter_turns % 2 == 1 else (width, height)

    def _upright(self, array: Image) -> Image:
        return np.ascontiguousarray(np.rot90(array, self._quarter_turns))


def _pixels(plane: VideoPlane) -> Image:
    """A plane without the padding at the end of its rows."""
    data = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
    rows: Image = data.reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
