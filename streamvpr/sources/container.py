"""An open container and its video track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError
from av.stream import Discard

from streamvpr.frames import Track
from streamvpr.sources.opening import choose_stream, reason_of
from streamvpr.sources.picture import Scalers, VideoPicture
from streamvpr.sources.web import open_within_reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.packet import Packet as AvPacket
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from streamvpr.sources.opening import Opening

# Of one picture; 8K has half of that. A decoder may keep seventeen pictures, and whoever sends a
# video chooses their size.
LARGEST_PIXELS = 2**26
# Formats that are fetched a piece of several seconds at a time.
BURSTY_FORMATS = frozenset({"hls", "dash"})
# Formats without timestamps of their own: FFmpeg counts frames by a rate that it guesses.
UNTIMED_FORMATS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v"})
# FFmpeg's name of what is in a track of the kind `gpmd` of these formats; elsewhere it is anything.
TELEMETRY, TELEMETRY_FORMATS = "bin_data", "mov,mp4,m4a,3gp,3g2,mj2"


class ReadError(Exception):
    """Nothing more can be read just now; `str()` is the reason, without any address."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.silent = silent


class DecodeError(Exception):
    """One packet could not be decoded; `str()` is the reason."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A compressed picture, or the signal to flush the decoder at the end."""

    data: AvPacket[VideoStream]
    seconds: float | None
    is_keyframe: bool

    @property
    def is_flush(self) -> bool:
        """Whether it holds no picture and asks for those that the decoder kept back."""
        return self.data.size == 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture and its presentation time in seconds; None where it has none."""

    picture: VideoPicture
    seconds: float | None
    is_corrupt: bool


class VideoContainer:
    """One video track of something that FFmpeg opens. Not for use by two threads at once."""

    def __init__(self, opening: Opening, scalers: Scalers | None = None) -> None:
        """Open it. Raises SourceOpenError, DeviceError, ConfigError."""
        self.opening = opening
        self._scalers = scalers or Scalers()
        self._container = open_within_reach(opening)
        try:
            self._stream = choose_stream(self._container, opening)
        except BaseException:
            self._container.close()
            raise
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        # Decoding frames side by side would be faster, but keeps frames back, and drops those that
        # wait to be reordered where a file is cut off.
        self._stream.thread_type = "SLICE"
        self._stream.codec_context.options = {
            **self._stream.codec_context.options,
            "max_pixels": str(LARGEST_PIXELS),
        }
        self._packets: Iterator[AvPacket[VideoStream]] = self._container.demux(self._stream)

    @property
    def length(self) -> float | None:
        """Seconds that the container says it lasts; None where it does not say."""
        duration = self._container.duration
        return None if duration is None or duration <= 0 else float(duration / av.time_base)

    @property
    def beginning(self) -> float:
        """Stream time at which it begins, in seconds."""
        return float((self._container.start_time or 0) / av.time_base)

    @property
    def frame_seconds(self) -> float:
        """Seconds between two frames by the rate that is announced."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(1 / rate) if rate else 0.04

    @property
    def has_timestamps(self) -> bool:
        """Whether the times of its frames are the sender's, and no guess."""
        return self._container.format.name not in UNTIMED_FORMATS

    @property
    def comes_in_bursts(self) -> bool:
        """Whether seconds of it come at once, and then nothing for as long."""
        return self._container.format.name in BURSTY_FORMATS

    @property
    def telemetry(self) -> int | None:
        """Index of the track with a GoPro's measurements; None where there is none."""
        if self._container.format.name != TELEMETRY_FORMATS:
            return None
        tracks = self._container.streams.data
        return next((track.index for track in tracks if track.name == TELEMETRY), None)

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return str(self._stream.codec_context.name)

    def track(self, picture: VideoPicture) -> Track:
        """What is delivered, of which that is a picture."""
        return Track(self.codec, picture.width, picture.height)

    def read(self) -> Packet | None:
        """The next packet, at last one that flushes; None at the end. Raises ReadError."""
        failure: ReadError | None = None
        try:
            packet = next(self._packets)
        except StopIteration:
            return None
        except IndexError:
            # Of PyAV, at the end: it flushes tracks that have appeared since it began, too, and
            # does not know them. Ours comes before them.
            return None
        except (FFmpegError, OSError) as error:
            failure = _read_error(error, self.opening)
        if failure is not None:
            # The generator has ended with the error; the container may still go on.
            self._packets = self._container.demux(self._stream)
            raise failure
        stamp = packet.pts if packet.pts is not None else packet.dts
        return Packet(packet, self._seconds(stamp), bool(packet.is_keyframe))

    def decode(self, packet: Packet) -> list[Decoded]:
        """The pictures that the packet completes. Raises DecodeError."""
        return self._decoded(packet.data)

    def decode_alone(self, packet: Packet) -> list[Decoded]:
        """The picture of a keyframe whose followers are not decoded. Raises DecodeError.

        A decoder that reorders would keep it back until they come.
        """
        found = self._decoded(packet.data)
        if not packet.is_flush and all(one.seconds != packet.seconds for one in found):
            found += self._decoded(None)
            self.forget()
        return found

    def forget(self) -> None:
        """Let the decoder forget what it has seen: the next packet follows none that it knows."""
        self._stream.codec_context.flush_buffers()

    def seek(self, seconds: float) -> bool:
        """Go to the keyframe at that stream time or before; whether that worked."""
        try:
            self._container.seek(int(seconds * av.time_base), backward=True)
        except (FFmpegError, OSError):
            return False
        return True

    def close(self) -> None:
        """Close it; idempotent."""
        self._container.close()

    def _decoded(self, data: AvPacket[VideoStream] | None) -> list[Decoded]:
        reason = None
        try:
            frames = self._stream.codec_context.decode(data)
        except (FFmpegError, OSError) as error:
            reason = reason_of(error)
        if reason is not None:
            raise DecodeError(reason)
        return [self._wrapped(frame) for frame in frames]

    def _wrapped(self, frame: VideoFrame) -> Decoded:
        picture = VideoPicture(frame, self._scalers)
        return Decoded(picture, self._seconds(frame.pts), bool(frame.is_corrupt))

    def _seconds(self, stamp: int | None) -> float | None:
        base = self._stream.time_base
        return None if stamp is None or base is None else float(stamp * base)


def _read_error(error: Exception, opening: Opening) -> ReadError:
    if isinstance(error, av.error.ExitError) and opening.read_timeout is not None:
        return ReadError(f"nothing came for {opening.read_timeout:g} s", silent=True)
    return ReadError(reason_of(error))
