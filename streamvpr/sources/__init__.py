"""Where frames come from: `open_source` picks the kind by what it is given."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.credentials import fill_in
from streamvpr.errors import ConfigError, SourceOpenError
from streamvpr.presence import is_there
from streamvpr.sources.address import Address, Kind, as_text, parse_address
from streamvpr.sources.base import Clip, Decoding, Source, SourceOptions, Transport, report_nothing
from streamvpr.sources.concat import ConcatSource
from streamvpr.sources.container import VideoContainer
from streamvpr.sources.hardware import check_hwaccel
from streamvpr.sources.hosts import Hosts
from streamvpr.sources.images import ImageFolderSource
from streamvpr.sources.live import LiveSource
from streamvpr.sources.opening import Opening
from streamvpr.sources.pipe import PipeSource
from streamvpr.sources.reach import limits
from streamvpr.sources.standard_input import StandardInput
from streamvpr.sources.video import VideoSource

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Clip",
    "ConcatSource",
    "Decoding",
    "ImageFolderSource",
    "LiveSource",
    "PipeSource",
    "Source",
    "SourceOptions",
    "Transport",
    "VideoSource",
    "name_sources",
    "open_concat",
    "open_source",
    "report_nothing",
    "split_name",
]

# How much is looked at before the first picture is handed out, in bytes and in microseconds. RTSP
# says what it holds beforehand: the least that FFmpeg allows opens it in 0.05 s instead of 1.1.
# Transport streams tell a few times a second only. FFmpeg's `nobuffer` is no way: it throws away
# what was looked at, and with it the pictures up to the next keyframe.
PROBE_RTSP = "32"
ANALYSE_OTHERS = "1000000"


def split_name(source: str) -> tuple[str | None, str]:
    """`NAME=SOURCE` into both; a path that exists as written, or a URL's query, is never split."""
    name, separator, rest = source.partition("=")
    if not separator or not name or not rest or "/" in name or ":" in name:
        return None, source
    return (None, source) if is_there(Path(source)) else (name, rest)


def name_sources(sources: list[str]) -> list[tuple[str, str]]:
    """(name, source) of each: the given name, else a file's stem or a folder's name.

    Cameras without a name are `cam0`, `cam1` ...; two of one name get `-2`, `-3`.
    """
    named: list[tuple[str, str]] = []
    taken: Counter[str] = Counter()
    cameras = 0
    for source in sources:
        given, rest = split_name(source)
        wanted = as_text(given) if given else parse_address(rest).default_name
        if wanted is None:
            wanted = f"cam{cameras}"
            cameras += 1
        name = wanted
        while taken[name]:
            taken[wanted] += 1
            name = f"{wanted}-{taken[wanted]}"
        taken[name] += 1
        named.append((name, rest))
    return named


def open_source(source: str, *, name: str, options: SourceOptions | None = None) -> Source:
    """Open a video file, a folder of images, `-`, a camera or the URL of a stream.

    A live source is connected to by its `frames`. Raises SourceOpenError where it cannot be read,
    ConfigError where an option makes no sense for it, DeviceError where `hwaccel` does not work.
    """
    options = options or SourceOptions()
    address = parse_address(source)
    if address.kind is Kind.FOLDER:
        _refuse_clock_options(source, options)
        return ImageFolderSource(Path(address.url), name=name)
    if options.hwaccel is not None:
        check_hwaccel(options.hwaccel)
    if address.kind is Kind.FILE:
        _check_file(Path(address.url), source)
        return _video(_opening(address, options), name, options)
    if address.kind is Kind.STANDARD_INPUT:
        return _open_pipe(address, name, options)
    opening = _opening(address, options)
    if address.kind is Kind.WEB and _has_an_end(address, opening):
        return _video(opening, name, options, on_disk=False)
    if address.kind is Kind.DEVICE:
        _check_file(Path(address.url), source)
    return LiveSource(opening, name=name, options=options, host=_host_to_look_up(address))


def open_concat(sources: list[str], *, name: str, options: SourceOptions | None = None) -> Source:
    """Open the files of one recording as one stream with one clock."""
    options = options or SourceOptions()
    if options.hwaccel is not None:
        check_hwaccel(options.hwaccel)
    openings = []
    for source in sources:
        address = parse_address(source)
        if address.kind is not Kind.FILE:
            raise ConfigError(
                f"--concat joins video files, and {address.shown} is a {address.kind.value}"
            )
        _check_file(Path(address.url), source)
        openings.append(_opening(address, options))
    opened = [VideoSource(o, name=name, decoding=options.decoding) for o in openings]
    return ConcatSource(opened, name=name, clip=options.clip)


def _video(
    opening: Opening, name: str, options: SourceOptions, *, on_disk: bool = True
) -> VideoSource:
    return VideoSource(
        opening, name=name, clip=options.clip, decoding=options.decoding, on_disk=on_disk
    )


def _open_pipe(address: Address, name: str, options: SourceOptions) -> PipeSource:
    if sys.__stdin__ is None or sys.__stdin__.closed:
        raise SourceOpenError("cannot open -: standard input is closed", url=address.shown)
    if os.isatty(0):
        raise ConfigError(
            "- is standard input, and that is a terminal; pipe a video into it: "
            "ffmpeg -i VIDEO -c copy -f nut - | streamvpr run -"
        )
    pipe = StandardInput()
    opening = Opening(
        pipe,
        address.shown,
        options=_with_limits(address, options),
        video_stream=options.video_stream,
        hwaccel=options.hwaccel,
    )
    return PipeSource(opening, pipe, name=name, clip=options.clip, decoding=options.decoding)


def _opening(address: Address, options: SourceOptions) -> Opening:
    is_url = bool(address.scheme)
    target = _target(address, options)
    return Opening(
        target,
        address.shown,
        format="v4l2" if address.kind is Kind.DEVICE else None,
        options=_with_limits(address, options),
        connect_timeout=options.connect_timeout if is_url else None,
        read_timeout=None if address.kind is Kind.FILE else options.read_timeout,
        video_stream=options.video_stream,
        hwaccel=options.hwaccel,
        hosts=Hosts.of(target, options.allow_hosts) if address.kind is Kind.WEB else None,
    )


def _with_limits(address: Address, options: SourceOptions) -> tuple[tuple[str, str], ...]:
    """All options for FFmpeg; what the user says wins."""
    own = {**dict(limits(address)), **dict(_defaults(address, options))}
    return tuple({**own, **dict(options.av_options)}.items())


def _target(address: Address, options: SourceOptions) -> str:
    if address.kind is Kind.FILE:
        # `file:` keeps a name such as "a:b.mp4" from being taken for a protocol.
        return f"file:{address.url}"
    return fill_in(address.url, options.credentials)


def _defaults(address: Address, options: SourceOptions) -> Iterator[tuple[str, str]]:
    if address.scheme in ("rtsp", "rtsps"):
        yield "rtsp_transport", str(options.rtsp_transport)
        # Sound is neither asked for nor sent.
        yield "allowed_media_types", "video"
        yield "probesize", PROBE_RTSP
    elif address.kind in (Kind.WEB, Kind.STREAM):
        yield "analyzeduration", ANALYSE_OTHERS
        if address.scheme == "udp":
            # A burst that does not fit is lost, and no reason to end.
            yield "overrun_nonfatal", "1"
        if address.kind is Kind.WEB:
            # For a file that has an end; FFmpeg takes it up where it broke off.
            yield "reconnect", "1"


def _has_an_end(address: Address, opening: Opening) -> bool:
    """Whether what a web server sends is a recording, and no live stream.

    Raises SourceOpenError where that cannot be found out by waiting either.
    """
    try:
        container = VideoContainer(opening)
    except SourceOpenError as error:
        if error.hopeless or address.is_served_file:
            raise
        return False
    try:
        return container.length is not None
    finally:
        container.close()


def _host_to_look_up(address: Address) -> str | None:
    """The host to look up before FFmpeg does; none where a proxy knows it better."""
    scheme = address.scheme
    proxied = scheme.startswith("http") and "http_proxy" in os.environ
    return None if proxied else address.host or None


def _check_file(path: Path, source: str) -> None:
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        # ValueError: a NUL, which is in no name.
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceOpenError(
            f"cannot open {source}: {reason}; check the path", url=source
        ) from error
    if path.is_file() and size == 0:
        raise SourceOpenError(f"cannot open {source}: the file is empty", url=source)


def _refuse_clock_options(source: str, options: SourceOptions) -> None:
    if options.clip != Clip():
        raise ConfigError(
            f"--start and --duration are stream time, and {source} is a folder of images, "
            "which has none; leave them out"
        )
    if options.video_stream is not None:
        raise ConfigError(f"--video-stream {options.video_stream}: {source} is a folder of images")
