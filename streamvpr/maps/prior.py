"""A map as a run has it: what earlier sessions left, and where this one's places go."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamvpr.errors import StoreError
from streamvpr.maps.opening import open_reader, open_writer

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.maps.history import History
    from streamvpr.maps.model import MapModel
    from streamvpr.maps.opening import MapReader
    from streamvpr.maps.session import NewSession
    from streamvpr.maps.writer import MapWriter

logger = logging.getLogger(__name__)


class Prior:
    """An opened map: the places of earlier sessions, and the writer of this one's."""

    def __init__(self, reader: MapReader, writer: MapWriter | None) -> None:
        """Takes over both. `writer` None adds nothing. Raises StoreError."""
        self._reader = reader
        self.writer = writer
        self.history: History | None = reader.history()
        count = 0 if self.history is None else len(self.history)
        logger.info("map %s: %d places of earlier sessions", reader.path, count)

    def close(self) -> None:
        """Let go of the file. The writer is closed by whoever it was given to."""
        self._reader.close()


def open_prior(
    path: Path, model: MapModel, session: NewSession, *, read_only: bool = False
) -> Prior:
    """The places that are in a map now, and unless it is only read a new session of it.

    Raises StoreError, ModelError and ConfigError as `open_writer`; a map that is only read must be
    there.
    """
    if read_only and not path.exists():
        raise StoreError(f"cannot read the map {path}: there is none; --map-read-only makes none")
    writer = None if read_only else open_writer(path, model, session)
    try:
        reader = open_reader(path)
        try:
            model.require_same_as(reader.model, path)
            return Prior(reader, writer)
        except BaseException:
            reader.close()
            raise
    except BaseException:
        if writer is not None:
            writer.close()
        raise
