"""Where frames come from: `open_source` picks the kind by what it is given."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from streamvpr.errors import ConfigError, SourceOpenError
from streamvpr.sources.base import Clip, Source
from streamvpr.sources.concat import ConcatSource
from streamvpr.sources.images import ImageFolderSource
from streamvpr.sources.video import VideoSource

__all__ = [
    "Clip",
    "ConcatSource",
    "ImageFolderSource",
    "Source",
    "VideoSource",
    "name_sources",
    "open_concat",
    "open_source",
    "split_name",
]


def split_name(source: str) -> tuple[str | None, str]:
    """`NAME=SOURCE` into both; a path that exists as written, or a URL's query, is never split."""
    name, separator, rest = source.partition("=")
    if not separator or not name or not rest or "/" in name or ":" in name:
        return None, source
    return (None, source) if Path(source).exists() else (name, rest)


def name_sources(sources: list[str]) -> list[tuple[str, str]]:
    """(name, source) of each: the given name, else a file's stem or a folder's name.

    Two of one name get `-2`, `-3`.
    """
    named: list[tuple[str, str]] = []
    taken: Counter[str] = Counter()
    for source in sources:
        given, rest = split_name(source)
        wanted = given or _default_name(rest)
        name = wanted
        while taken[name]:
            taken[wanted] += 1
            name = f"{wanted}-{taken[wanted]}"
        taken[name] += 1
        named.append((name, rest))
    return named


def open_source(
    source: str, *, name: str, clip: Clip | None = None, video_stream: int | None = None
) -> Source:
    """Open a video file or a folder of images.

    Raises SourceOpenError where it cannot be read, ConfigError where `clip` or `video_stream`
    makes no sense for it.
    """
    clip = clip or Clip()
    path = Path(source)
    if path.is_dir():
        _refuse_clock_options(source, clip, video_stream)
        return ImageFolderSource(path, name=name)
    _check_file(path, source)
    return VideoSource(source, name=name, clip=clip, video_stream=video_stream)


def open_concat(
    sources: list[str], *, name: str, clip: Clip | None = None, video_stream: int | None = None
) -> Source:
    """Open the files of one recording as one stream with one clock."""
    for source in sources:
        if Path(source).is_dir():
            raise ConfigError(
                f"--concat joins video files, and {source} is a folder; "
                "an image folder is one stream already"
            )
        _check_file(Path(source), source)
    opened = [VideoSource(source, name=name, video_stream=video_stream) for source in sources]
    return ConcatSource(opened, name=name, clip=clip or Clip())


def _default_name(source: str) -> str:
    path = Path(source)
    if path.is_dir():
        return path.resolve().name or "images"
    return path.stem


def _check_file(path: Path, source: str) -> None:
    if "://" in source:
        scheme = source.partition("://")[0]
        raise SourceOpenError(
            f"cannot open a {scheme}:// source: this version reads video files and image folders",
            url=f"{scheme}://",
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceOpenError(
            f"cannot open {source}: {reason}; check the path", url=source
        ) from error
    if path.is_file() and size == 0:
        raise SourceOpenError(f"cannot open {source}: the file is empty", url=source)


def _refuse_clock_options(source: str, clip: Clip, video_stream: int | None) -> None:
    if clip != Clip():
        raise ConfigError(
            f"--start and --duration are stream time, and {source} is a folder of images, "
            "which has none; leave them out"
        )
    if video_stream is not None:
        raise ConfigError(f"--video-stream {video_stream}: {source} is a folder of images")
