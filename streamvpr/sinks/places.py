"""Where what a run remembers is written, for the runs after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.maps.writer import Kept
from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from streamvpr.frames import Decision
    from streamvpr.maps import MapWriter


class PlacesSink(Sink):
    """Adds the places that a run keeps to a map."""

    def __init__(self, writer: MapWriter) -> None:
        """Takes over the writer."""
        self._writer = writer

    def write(self, decision: Decision) -> None:
        """Take a decision, and with it the place that was made of its query. Raises StoreError."""
        kept = decision.remembered
        if kept is not None:
            self._writer.add(Kept(kept.place, kept.descriptor, decision.query.thumbnail))

    def close(self) -> None:
        """End the session. Raises StoreError."""
        self._writer.close()
