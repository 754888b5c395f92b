"""A video file as a source. The only module that imports `av` to read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from streamvpr.errors import ConfigError, SourceLost, SourceOpenError
from streamvpr.frames import Frame
from streamvpr.sources.base import Clip
from streamvpr.sources.clock import StreamClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from streamvpr.frames import Image

logger = logging.getLogger(__name__)

# Bytes in a title that are no UTF-8 are no reason to refuse a film. PyAV 19 does not ask any more.
LENIENT: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)

# A file whose index is broken can fail at each read for ever; this many in a row end it.
MOST_READ_FAILURES = 100
# Encoders round durations, and the last frame lasts a while: less than this is no truncation.
TRUNCATION_SLACK_SECONDS = 1.0
# How far before the start of a clip a seek aims, in turn, until it lands there or before.
SEEK_BACK_SECONDS = (0.0, 5.0, 20.0)


class Scalers:
    """libswscale's contexts, one for each form of picture: setting one up costs as much as its use.

    They belong to one thread, the one that decodes.
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

    def _converted(self, width: int, height: int, pixels: str) -> Image:
        sideways = self._quarter_turns % 2 == 1
        size = (height, width) if sideways else (width, height)
        array = self._scalers.scale(self._frame, pixels, *size)
        if self._quarter_turns:
            array = np.ascontiguousarray(np.rot90(array, self._quarter_turns))
        return array


class VideoSource:
    """The frames of one video track of a file, in the order of presentation.

    A packet that cannot be decoded is skipped and counted. A file that ends early gives all that
    can be decoded, and a warning.
    """

    has_clock = True
    default_fps = 2.0

    def __init__(
        self, path: str, *, name: str, clip: Clip | None = None, video_stream: int | None = None
    ) -> None:
        self.name = name
        self.path = path
        self.skipped = 0
        self.clip = clip or Clip()
        self._wanted_stream = video_stream
        self._scalers = Scalers()
        self._container, self._stream = _open(path, video_stream)

    @property
    def length(self) -> float | None:
        """Seconds that the file says it lasts; None where it does not say."""
        if self._container.duration is None:
            return None
        return float(self._container.duration / av.time_base)

    @property
    def span(self) -> float | None:
        """Seconds that will be read; None where the file does not say how long it is."""
        if self.length is None:
            return self.clip.duration
        return max(0.0, min(self.length, self.clip.end or self.length) - self.clip.start)

    @property
    def beginning(self) -> float:
        """Stream time at which the file begins, in seconds."""
        return float((self._container.start_time or 0) / av.time_base)

    @property
    def frame_seconds(self) -> float:
        """Seconds between two frames by the rate that the file announces."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else 0.04

    def frames(self) -> Iterator[Frame]:
        """Decode the clip. Raises SourceLost where not one frame of the file can be decoded."""
        start, end = self.clip.within(self.beginning)
        clock = StreamClock(self.frame_seconds)
        last: float | None = None
        for decoded in self._decode_from(start) if self.clip.start > 0 else self._decode():
            last = clock.time(decoded.time)
            if last >= end:
                return
            if last >= start:
                yield Frame(time=last, path=self.path, picture=VideoPicture(decoded, self._scalers))
        if self.clip.start > 0 and (last is None or last < start):
            logger.warning("%s ends before --start %g s", self.path, self.clip.start)
            return
        self._report_end(last)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decode_from(self, start: float) -> Iterator[VideoFrame]:
        """Frames from `start` or earlier on: by seeking where that is right, else from the top.

        A container without an index may land behind the key frame that it looks for, or nowhere.
        """
        for back in SEEK_BACK_SECONDS:
            if not self._seek(start - back):
                break
            frames = self._decode()
            first = next(frames, None)
            if first is not None and first.time is not None and first.time <= start:
                yield first
                yield from frames
                return
            self._reopen()
        logger.info("%s cannot seek; reading up to the start", self.path)
        self._reopen()
        yield from self._decode()

    def _seek(self, seconds: float) -> bool:
        try:
            self._container.seek(int(seconds * av.time_base), backward=True)
        except (FFmpegError, OSError):
            return False
        return True

    def _reopen(self) -> None:
        self._container.close()
        self._container, self._stream = _open(self.path, self._wanted_stream)

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            try:
                yield from packet.decode()
            except (FFmpegError, OSError) as error:
                self._skip("packet", error)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        packets = self._container.demux(self._stream)
        failures = 0
        while failures < MOST_READ_FAILURES:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (FFmpegError, OSError) as error:
                failures += 1
                self._skip("read", error)
                packets = self._container.demux(self._stream)
            else:
                failures = 0
                yield packet

    def _skip(self, what: str, error: Exception) -> None:
        self.skipped += 1
        if self.skipped == 1:
            reason = getattr(error, "strerror", None) or type(error).__name__
            logger.warning(
                "%s: skipped a bad %s (%s); more are only counted", self.path, what, reason
            )

    def _report_end(self, last: float | None) -> None:
        if last is None:
            raise SourceLost(
                f"no frame of {self.path} can be decoded ({self._stream.codec_context.name}); "
                "is the file damaged?",
                url=self.path,
            )
        if self.length is None:
            return
        reached = last + self.frame_seconds - self.beginning
        if reached < self.length - TRUNCATION_SLACK_SECONDS:
            logger.warning(
                "%s ends at %.1f s of the %.1f s that it announces: it is cut off; "
                "all frames before the cut were processed",
                self.path,
                reached,
                self.length,
            )


def _open(path: str, video_stream: int | None) -> tuple[InputContainer, VideoStream]:
    try:
        # `file:` keeps a name such as "a:b.mp4" from being taken for a protocol.
        container = av.open(f"file:{path}", **LENIENT)
    except (FFmpegError, OSError) as error:
        raise SourceOpenError(f"cannot open {path}: {_reason(error)}", url=path) from error
    try:
        stream = _choose_stream(container, path, video_stream)
    except BaseException:
        container.close()
        raise
    # Decoding frames side by side would be faster, but drops those that wait to be reordered where
    # a file is cut off.
    stream.thread_type = "SLICE"
    return container, stream


def _reason(error: Exception) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return "it is no video that FFmpeg knows, or its index (moov) is missing"
    return getattr(error, "strerror", None) or str(error)


def _choose_stream(container: InputContainer, path: str, index: int | None) -> VideoStream:
    videos = container.streams.video
    if index is not None:
        chosen = next((stream for stream in videos if stream.index == index), None)
        if chosen is None:
            there = ", ".join(str(stream.index) for stream in videos) or "none"
            raise ConfigError(
                f"--video-stream {index}: {path} has no video track of that index; it has {there}"
            )
        return chosen
    best = container.streams.best("video")
    if best is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise SourceOpenError(f"no video in {path}: it holds {kinds}", url=path)
    return best  # type: ignore[return-value]
