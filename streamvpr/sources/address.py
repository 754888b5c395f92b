"""What a SOURCE on the command line names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from streamvpr.credentials import encode_userinfo, redact
from streamvpr.presence import is_folder

STANDARD_INPUT = "-"
# What stands for it among options, one of which it would look like.
READ_AS = "/dev/stdin"
DEVICE = re.compile(r"/dev/(video\d+|v4l/.+)")
# An address with such an ending is a file that somebody serves: it has a stem to be named by.
FILE_SUFFIXES = frozenset(
    {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts", ".webm"}
)


class Kind(Enum):
    """How a source is read."""

    FILE = "video file"
    FOLDER = "folder of images"
    STANDARD_INPUT = "standard input"
    DEVICE = "camera of this machine"
    WEB = "http(s) address"
    STREAM = "network stream"


@dataclass(frozen=True, slots=True)
class Address:
    """A source by its kind, as it is opened and as it is shown."""

    kind: Kind
    url: str = field(repr=False)
    """What FFmpeg opens; may hold a password."""
    shown: str
    """The same, safe to print."""

    @property
    def scheme(self) -> str:
        """`rtsp`, `http` and so on; empty for what is no URL."""
        return self.url.partition("://")[0].lower() if "://" in self.url else ""

    @property
    def host(self) -> str | None:
        """The host whose name must be known; None where there is none to look up."""
        try:
            return urlsplit(self.url).hostname if "://" in self.url else None
        except ValueError:
            return None

    @property
    def is_served_file(self) -> bool:
        """Whether it is an http address with the ending of a video file."""
        return self.kind is Kind.WEB and Path(_path_of(self.url)).suffix.lower() in FILE_SUFFIXES

    @property
    def default_name(self) -> str | None:
        """What the stream is called where the user gives no name; None for `cam0`, `cam1` ..."""
        if self.kind is Kind.STANDARD_INPUT:
            return "stdin"
        if self.kind is Kind.FOLDER:
            return as_text(Path(self.url).resolve().name) or "images"
        if self.kind is Kind.FILE:
            return as_text(Path(self.url).stem)
        return as_text(Path(_path_of(self.url)).stem) if self.is_served_file else None


def parse_address(source: str) -> Address:
    """What `source` (without `NAME=`) names; whether it is there is not looked at."""
    if source in (STANDARD_INPUT, "pipe:", "pipe:0", "/dev/stdin"):
        return Address(Kind.STANDARD_INPUT, STANDARD_INPUT, STANDARD_INPUT)
    if source[:7].lower() == "file://":
        return parse_address(source[7:])
    if DEVICE.fullmatch(source):
        return Address(Kind.DEVICE, source, as_text(source))
    if "://" in source:
        scheme = source.partition("://")[0].lower()
        kind = Kind.WEB if scheme in ("http", "https") else Kind.STREAM
        return Address(kind, encode_userinfo(source), as_text(redact(source)))
    kind = Kind.FOLDER if is_folder(Path(source)) else Kind.FILE
    return Address(kind, source, as_text(source))


def as_text(name: str) -> str:
    """The name as it can be written and sent: of bytes that are no text, as old disks have them in
    names of files, something else."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
