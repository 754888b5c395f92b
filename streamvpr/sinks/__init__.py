"""Where decisions go."""

from streamvpr.sinks.base import Fanout, Sink
from streamvpr.sinks.closures import ClosureChooser
from streamvpr.sinks.folder import FolderSink
from streamvpr.sinks.jsonl import JsonLinesSink
from streamvpr.sinks.places import PlacesSink

__all__ = ["ClosureChooser", "Fanout", "FolderSink", "JsonLinesSink", "PlacesSink", "Sink"]
