"""The records of a run that were asked for, whatever takes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from streamvpr import records
from streamvpr.config import Records
from streamvpr.sinks.base import Sink

if TYPE_CHECKING:
    from streamvpr.frames import Decision


class RecordsSink(Sink, ABC):
    """Takes the chosen kinds of records, each as soon as it is known."""

    def __init__(self, kinds: Records) -> None:
        self._kinds = kinds

    @abstractmethod
    def take(self, record: records.Record) -> None:
        """Take one record. Raises as `write`."""

    def write(self, decision: Decision) -> None:
        """Take the record of one decision. Raises StoreError, or OutputClosed."""
        if self._kinds in (Records.QUERIES, Records.ALL):
            self.take(records.query(decision))

    def write_closure(self, decision: Decision) -> None:
        """Take the record of a closure. Raises as `write`."""
        if self._kinds in (Records.LOOPS, Records.ALL):
            self.take(records.loop_closure(decision))

    def write_event(self, event: records.Stream | records.Health) -> None:
        """Take what happened to a stream or how it does, where all records are asked for."""
        if self._kinds is Records.ALL:
            self.take(event)
