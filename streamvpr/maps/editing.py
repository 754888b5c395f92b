"""Changing a map that is there: all at once or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from streamvpr.maps.file import close_written, connect, create, errors, require_map
from streamvpr.maps.lock import WriterLock

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from streamvpr.maps.model import MapModel


@contextlib.contextmanager
def edited(path: Path, *, model: MapModel | None = None) -> Iterator[sqlite3.Connection]:
    """A connection to a map inside one transaction, which an error undoes.

    With a `model` the map is made where there is none. Raises StoreError.
    """
    lock = WriterLock(path)
    try:
        new = model if not path.exists() else None
        if new is not None:
            create(path, new.row)
        try:
            require_map(path)
            connection = connect(path, write=True)
            try:
                with errors(path, "write"):
                    yield from _transaction(connection)
            finally:
                close_written(connection)
        except BaseException:
            if new is not None:
                path.unlink(missing_ok=True)
            raise
    finally:
        lock.release()


def shrink(path: Path) -> None:
    """Give back the space of what was taken out, which takes as much again meanwhile.

    Raises StoreError; the map is whole then, too.
    """
    lock = WriterLock(path)
    try:
        connection = connect(path, write=True)
        try:
            with errors(path, "write"):
                connection.execute("VACUUM")
        finally:
            close_written(connection)
    finally:
        lock.release()


def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
