"""Opening a map, to search it and to add to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from streamvpr.errors import StoreError
from streamvpr.frames import FeatureKind
from streamvpr.maps.blobs import whole
from streamvpr.maps.file import close_written, connect, create, errors, require_map, sound
from streamvpr.maps.history import load_history
from streamvpr.maps.lock import WriterLock
from streamvpr.maps.model import MapModel
from streamvpr.maps.writer import MapWriter

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from streamvpr.maps.history import History
    from streamvpr.maps.session import NewSession


class MapReader:
    """A map that is searched."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self.model = read_model(path, connection)

    def history(self) -> History | None:
        """All of its places; None where there are none. Raises StoreError."""
        return load_history(self.path, self.connection, self.model)

    def close(self) -> None:
        """Let go of the file. Places that were not read yet cannot be read any more."""
        self.connection.close()


def open_reader(path: Path) -> MapReader:
    """A map that is there, which is not touched. Raises StoreError."""
    require_map(path)
    connection = connect(path, write=False)
    try:
        return MapReader(path, connection)
    except BaseException:
        connection.close()
        raise


def open_writer(path: Path, model: MapModel, session: NewSession) -> MapWriter:
    """Begin a session of a map, which is made where there is none.

    Raises StoreError, also where another process writes to it, and ModelError and ConfigError where
    it was made with another model; such a file is not touched.
    """
    lock = WriterLock(path)
    try:
        if not path.exists():
            create(path, model.row)
        require_map(path)
        with contextlib.closing(open_reader(path)) as reader:
            model.require_same_as(reader.model, path)
        connection = connect(path, write=True)
        try:
            return MapWriter(path, connection, lock, session)
        except BaseException:
            close_written(connection)
            raise
    except BaseException:
        lock.release()
        raise


def read_model(path: Path, connection: sqlite3.Connection) -> MapModel:
    """Which model a map's descriptors are of. Raises StoreError."""
    with errors(path, "read"):
        row = connection.execute("SELECT model, sha256, dimension, features FROM map").fetchone()
    if row is None:
        raise StoreError(f"the map {path} does not say which model made it; it is damaged")
    name, sha256, dimension, features = row
    with sound(path):
        kind = None if features is None else FeatureKind(features)
        return MapModel(str(name), str(sha256), whole(dimension), kind)
