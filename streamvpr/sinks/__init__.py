"""Where decisions go."""

from streamvpr.sinks.base import Fanout, Shown, Sink
from streamvpr.sinks.closures import ClosureChooser
from streamvpr.sinks.folder import FolderSink
from streamvpr.sinks.jsonl import JsonLinesSink
from streamvpr.sinks.places import PlacesSink
from streamvpr.sinks.rotating import RotatingFile

__all__ = [
    "ClosureChooser",
    "Fanout",
    "FolderSink",
    "JsonLinesSink",
    "PlacesSink",
    "RotatingFile",
    "Shown",
    "Sink",
]
