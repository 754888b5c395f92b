"""Opening what takes the records of a run besides standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.errors import ConfigError
from streamvpr.sinks import JsonLinesSink, RotatingFile
from streamvpr.web import open_page

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.config import DestinationOptions, Records
    from streamvpr.sinks import Sink

MEGABYTE = 1e6


def open_destinations(options: DestinationOptions, kinds: Records) -> list[Sink]:
    """The sinks that were asked for. `kinds` are the records that they take.

    Raises ConfigError for an address that is none and for a missing extra, StoreError for a file
    that cannot be written.
    """
    sinks: list[Sink] = []
    if options.serve is not None:
        sinks.append(open_page(options.serve, keep=options.keep_serving))
    elif options.keep_serving:
        raise ConfigError("--keep-serving is about the live page; give --serve HOST:PORT")
    if options.jsonl is not None:
        sinks.append(_open_file(options.jsonl, options, kinds))
    return sinks


def _open_file(path: Path, options: DestinationOptions, kinds: Records) -> Sink:
    file = RotatingFile(
        path, most_bytes=round(options.jsonl_size * MEGABYTE), keep=options.jsonl_keep
    )
    return JsonLinesSink(file, kinds, name=str(path), close=file.close)
