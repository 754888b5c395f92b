"""Opening what takes the records of a run besides standard output."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.errors import ConfigError, StreamVPRError
from streamvpr.sinks import Fanout, JsonLinesSink, RotatingFile
from streamvpr.sinks.broker import parse_broker
from streamvpr.sinks.mqtt import MqttSink
from streamvpr.sinks.receiver import parse_receiver
from streamvpr.sinks.rerun_file import RerunFileSink
from streamvpr.sinks.rerun_viewer import RerunViewerSink, parse_viewer
from streamvpr.sinks.webhook import WebhookSink
from streamvpr.web import open_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.config import DestinationOptions, RecognitionOptions, Records
    from streamvpr.sinks import Sink

MEGABYTE = 1e6


def open_destinations(options: DestinationOptions, run: RecognitionOptions) -> list[Sink]:
    """The sinks that were asked for. Of `run` are the records that they take, and the logins.

    Raises ConfigError for an address that is none and for a missing extra, StoreError for a file
    that cannot be written.
    """
    sinks: list[Sink] = []
    try:
        for sink in _opened(options, run):
            sinks.append(sink)
    except BaseException:
        with contextlib.suppress(StreamVPRError):
            Fanout(sinks).close()
        raise
    return sinks


def _opened(options: DestinationOptions, run: RecognitionOptions) -> Iterator[Sink]:
    if options.serve is not None:
        yield open_page(options.serve, keep=options.keep_serving)
    elif options.keep_serving:
        raise ConfigError("--keep-serving is about the live page; give --serve HOST:PORT")
    if options.jsonl is not None:
        yield _open_file(options.jsonl, options, run.records)
    if options.mqtt is not None:
        yield MqttSink(parse_broker(options.mqtt, run.credentials), run.records)
    if options.webhook is not None:
        yield WebhookSink(parse_receiver(options.webhook, run.credentials), run.records)
    if options.rerun is not None:
        yield _open_rerun(options.rerun)


def _open_file(path: Path, options: DestinationOptions, kinds: Records) -> Sink:
    file = RotatingFile(
        path, most_bytes=round(options.jsonl_size * MEGABYTE), keep=options.jsonl_keep
    )
    return JsonLinesSink(file, kinds, name=str(path), close=file.close)


def _open_rerun(destination: str) -> Sink:
    viewer = parse_viewer(destination)
    return RerunFileSink(Path(destination)) if viewer is None else RerunViewerSink(viewer)
