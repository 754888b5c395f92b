"""An open container and its video track. The only module that opens anything with `av`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.stream import Discard

from streamvpr.errors import ConfigError, DeviceError, SourceOpenError
from streamvpr.frames import Track
from streamvpr.media import encode_video
from streamvpr.sources.picture import Scalers, VideoPicture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet as AvPacket
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from streamvpr.errors import StreamVPRError
    from streamvpr.sources.standard_input import StandardInput

# Bytes in a title that are no UTF-8 are no reason to refuse a film. PyAV 19 does not ask any more.
LENIENT: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)
# Formats that are fetched a piece of several seconds at a time.
BURSTY_FORMATS = frozenset({"hls", "dash"})
# Formats without timestamps of their own: FFmpeg counts frames by a rate that it guesses.
UNTIMED_FORMATS = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v"})
NO_HARDWARE = "no stream is compatible"
# Asking again will not help: the login, the path, the address or an option is wrong.
HOPELESS = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
    av.error.HTTPBadRequestError,
    av.error.HTTPOtherClientError,
    av.error.ProtocolNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.OptionNotFoundError,
    av.error.ArgumentError,
    av.error.FileNotFoundError,
    av.error.PermissionError,
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is opened, and how."""

    target: str | StandardInput = field(repr=False)
    """A URL for FFmpeg, or what is read from."""
    shown: str
    """The same, safe to print."""
    format: str | None = None
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout: float | None = None
    read_timeout: float | None = None
    video_stream: int | None = None
    hwaccel: str | None = None


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
        self._container = _open(opening)
        try:
            self._stream = _choose_stream(self._container, opening)
        except BaseException:
            self._container.close()
            raise
        for other in self._container.streams:
            if other is not self._stream:
                other.discard = Discard.all
        # Decoding frames side by side would be faster, but keeps frames back, and drops those that
        # wait to be reordered where a file is cut off.
        self._stream.thread_type = "SLICE"
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
            reason = _strerror(error)
        if reason is not None:
            raise DecodeError(reason)
        return [self._wrapped(frame) for frame in frames]

    def _wrapped(self, frame: VideoFrame) -> Decoded:
        picture = VideoPicture(frame, self._scalers)
        return Decoded(picture, self._seconds(frame.pts), bool(frame.is_corrupt))

    def _seconds(self, stamp: int | None) -> float | None:
        base = self._stream.time_base
        return None if stamp is None or base is None else float(stamp * base)


def known_hwaccels() -> list[str]:
    """Devices that this build of FFmpeg can decode with, where they are there."""
    return [str(name) for name in hwdevices_available()]


@cache
def check_hwaccel(name: str) -> None:
    """Prove that this build of FFmpeg decodes H.264 with that device here. Raises DeviceError."""
    known = ", ".join(known_hwaccels()) or "none"
    if name not in known_hwaccels():
        raise DeviceError(
            f"--hwaccel {name}: the FFmpeg inside of PyAV {av.__version__} is built without it; "
            f"it has {known}. A decoder of the system can be used through a pipe: "
            "ffmpeg ... | streamvpr run -"
        )
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "proof.mp4"
        encode_video(path, [np.zeros((256, 256, 3), np.uint8)] * 2, fps=2)
        container = VideoContainer(Opening(str(path), "a test picture", hwaccel=name))
        try:
            packet = container.read()
            if packet is not None:
                container.decode_alone(packet)
        except (ReadError, DecodeError) as error:
            raise DeviceError(f"--hwaccel {name} does not decode here: {error}") from error
        finally:
            container.close()


def _open(opening: Opening) -> InputContainer:
    failure: StreamVPRError
    began = time.monotonic()
    try:
        container: InputContainer = av.open(
            opening.target,
            format=opening.format,
            options=dict(opening.options),
            timeout=(opening.connect_timeout, opening.read_timeout),
            hwaccel=_hwaccel(opening.hwaccel),
            **LENIENT,
        )
        return container
    except (FFmpegError, OSError, RuntimeError) as error:
        waited = time.monotonic() - began
        failure = _silent(opening, waited) or _open_error(error, opening)
    # Raised out here, so that no traceback shows the library's message: it holds the password.
    raise failure


def _silent(opening: Opening, waited: float) -> SourceOpenError | None:
    """The error of a peer that said nothing in time; FFmpeg gives it several other names."""
    if opening.connect_timeout is None or waited < opening.connect_timeout:
        return None
    return SourceOpenError(
        f"cannot open {opening.shown}: no answer within {opening.connect_timeout:g} s "
        "(--connect-timeout)",
        url=opening.shown,
    )


def _hwaccel(name: str | None) -> HWAccel | None:
    return None if name is None else HWAccel(name, allow_software_fallback=False)


def _open_error(error: Exception, opening: Opening) -> StreamVPRError:
    if opening.hwaccel is not None and (
        NO_HARDWARE in str(error) or not isinstance(opening.target, str) or _is_local(opening)
    ):
        return DeviceError(
            f"--hwaccel {opening.hwaccel} does not decode {opening.shown} here: "
            f"{NO_HARDWARE if isinstance(error, RuntimeError) else _strerror(error)}; "
            "leave it out to decode on the CPU"
        )
    if isinstance(error, RuntimeError) and not isinstance(error, FFmpegError):
        raise error
    return SourceOpenError(
        f"cannot open {opening.shown}: {_reason(error, opening)}",
        url=opening.shown,
        hopeless=isinstance(error, HOPELESS) or _is_no_video(error, opening),
        login_refused=isinstance(error, av.error.HTTPUnauthorizedError),
    )


def _is_local(opening: Opening) -> bool:
    return isinstance(opening.target, str) and "://" not in opening.target


def _is_no_video(error: Exception, opening: Opening) -> bool:
    return isinstance(error, av.error.InvalidDataError) and opening.shown.startswith("http")


def _reason(error: Exception, opening: Opening) -> str:
    if isinstance(error, av.error.InvalidDataError):
        if _is_local(opening):
            return "it is no video that FFmpeg knows, or its index (moov) is missing"
        return "what comes from there is no video that FFmpeg knows"
    hint = next((hint for kind, hint in HINTS if isinstance(error, kind)), "")
    return _strerror(error) + hint


HINTS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, "; check user and password"),
    (av.error.HTTPForbiddenError, "; check user and password, and what that user may see"),
    (av.error.HTTPNotFoundError, "; check the path of the address"),
    (av.error.HTTPOtherClientError, "; with RTSP, try the other --rtsp-transport"),
    (av.error.ProtocolNotFoundError, "; FFmpeg knows no such kind of address"),
    (av.error.PermissionError, "; check who may read it"),
)


def _read_error(error: Exception, opening: Opening) -> ReadError:
    if isinstance(error, av.error.ExitError) and opening.read_timeout is not None:
        return ReadError(f"nothing came for {opening.read_timeout:g} s", silent=True)
    return ReadError(_strerror(error))


def _strerror(error: Exception) -> str:
    """What the system or FFmpeg calls it; `str(error)` would print the address as well."""
    return getattr(error, "strerror", None) or type(error).__name__


def _choose_stream(container: InputContainer, opening: Opening) -> VideoStream:
    shown, index = opening.shown, opening.video_stream
    if index is not None:
        videos = container.streams.video
        chosen = next((stream for stream in videos if stream.index == index), None)
        if chosen is None:
            there = ", ".join(str(stream.index) for stream in videos) or "none"
            raise ConfigError(
                f"--video-stream {index}: {shown} has no video track of that index; it has {there}"
            )
        return chosen
    best = container.streams.best("video")
    if best is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise SourceOpenError(f"no video in {shown}: it holds {kinds}", url=shown, hopeless=True)
    return best  # type: ignore[return-value]
