"""Opening anything with FFmpeg, and what is said where that fails."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av
from av.codec.hwaccel import HWAccel
from av.error import FFmpegError

from streamvpr.errors import ConfigError, DeviceError, SourceOpenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import InputContainer
    from av.video.stream import VideoStream

    from streamvpr.errors import StreamVPRError
    from streamvpr.sources.hosts import Hosts
    from streamvpr.sources.standard_input import StandardInput

# Bytes in a title that are no UTF-8 are no reason to refuse a film. PyAV 19 does not ask any more.
LENIENT: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)
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
    UnicodeError,
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
    hosts: Hosts | None = None
    """Those that may be asked; None where FFmpeg is kept to the address by its options alone."""
    io_open: Callable[[str, int, dict[str, str]], object] | None = field(default=None, repr=False)
    """Opens what the address and its playlist name instead of FFmpeg: (url, flags, options)."""


def open_container(opening: Opening) -> InputContainer:
    """Raises SourceOpenError, DeviceError; neither tells the password."""
    failure: StreamVPRError
    began = time.monotonic()
    try:
        container: InputContainer = av.open(
            opening.target,
            format=opening.format,
            options=dict(opening.options),
            timeout=(opening.connect_timeout, opening.read_timeout),
            hwaccel=_hwaccel(opening.hwaccel),
            io_open=opening.io_open,
            **LENIENT,
        )
        return container
    except (FFmpegError, OSError, RuntimeError, UnicodeError) as error:
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
            f"{NO_HARDWARE if isinstance(error, RuntimeError) else reason_of(error)}; "
            "leave it out to decode on the CPU"
        )
    if isinstance(error, RuntimeError) and not isinstance(error, FFmpegError):
        raise error
    return SourceOpenError(
        f"cannot open {opening.shown}: {_reason(error, opening)}",
        url=opening.shown,
        hopeless=isinstance(error, HOPELESS) or _is_no_video(error, opening),
        login_refused=isinstance(error, av.error.HTTPUnauthorizedError),
        code=getattr(error, "errno", None),
    )


def _is_local(opening: Opening) -> bool:
    return isinstance(opening.target, str) and "://" not in opening.target


def _is_no_video(error: Exception, opening: Opening) -> bool:
    return isinstance(error, av.error.InvalidDataError) and opening.shown.startswith("http")


def _reason(error: Exception, opening: Opening) -> str:
    if isinstance(error, UnicodeError):
        return "it names an address that is no text"
    if isinstance(error, av.error.ArgumentError):
        return f"{reason_of(error)}; {_not_followed(opening)}"
    if isinstance(error, av.error.InvalidDataError):
        if _is_local(opening):
            return "it is no video that FFmpeg knows, or its index (moov) is missing"
        return "what comes from there is no video that FFmpeg knows"
    hint = next((hint for kind, hint in HINTS if isinstance(error, kind)), "")
    return reason_of(error) + hint


def _not_followed(opening: Opening) -> str:
    """What FFmpeg's EINVAL mostly is: something on none of the lists of reach.py."""
    if opening.shown.lower().startswith("rtsp"):
        return "where the server sends on to is not followed: name that address itself"
    return "what only names other files or addresses is not followed: name the videos themselves"


HINTS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, "; check user and password"),
    (av.error.HTTPForbiddenError, "; check user and password, and what that user may see"),
    (av.error.HTTPNotFoundError, "; check the path of the address"),
    (av.error.HTTPOtherClientError, "; with RTSP, try the other --rtsp-transport"),
    (av.error.ProtocolNotFoundError, "; FFmpeg knows no such kind of address"),
    (av.error.PermissionError, "; check who may read it"),
)


def reason_of(error: Exception) -> str:
    """What the system or FFmpeg calls it; `str(error)` would print the address as well."""
    return getattr(error, "strerror", None) or type(error).__name__


def choose_stream(container: InputContainer, opening: Opening) -> VideoStream:
    """The video track that is asked for, else FFmpeg's best.

    Raises ConfigError, SourceOpenError.
    """
    shown, index = opening.shown, opening.video_stream
    if index is not None:
        videos = container.streams.video
        chosen = next((stream for stream in videos if stream.index == index), None)
        if chosen is None:
            there = ", ".join(str(stream.index) for stream in videos) or "none"
            raise ConfigError(
                f"--video-stream {index}: {shown} has no video track of that index; it has {there}"
            )
        return _with_decoder(chosen, opening)
    best = container.streams.best("video")
    if best is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise SourceOpenError(f"no video in {shown}: it holds {kinds}", url=shown, hopeless=True)
    return _with_decoder(best, opening)  # type: ignore[arg-type]


def _with_decoder(stream: VideoStream, opening: Opening) -> VideoStream:
    """The track, where FFmpeg can do more with it than name it. Raises SourceOpenError."""
    # PyAV says that it always has one.
    if getattr(stream, "codec_context", None) is None:
        raise SourceOpenError(
            f"cannot decode {opening.shown}: FFmpeg has no decoder of its video, or it is damaged",
            url=opening.shown,
            hopeless=True,
        )
    return stream
