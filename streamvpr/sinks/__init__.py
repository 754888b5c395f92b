"""Where decisions go."""

from streamvpr.sinks.base import Fanout, Sink
from streamvpr.sinks.folder import FolderSink
from streamvpr.sinks.jsonl import JsonLinesSink

__all__ = ["Fanout", "FolderSink", "JsonLinesSink", "Sink"]
