"""Adds a run's places to a map while the run goes on."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from streamvpr.maps.file import close_written, errors
from streamvpr.maps.rows import insert, insert_stream, row_of_place

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from streamvpr.frames import Descriptor, Place
    from streamvpr.maps.lock import WriterLock
    from streamvpr.maps.session import NewSession

# What a power cut may take: places that came in this time, and the disk's own time to write them.
COMMIT_SECONDS = 0.5
# Places that may wait for a slow disk, 0.1 MB each. Then whoever adds waits, too.
WAITING = 64


class Kept(NamedTuple):
    """What is written of a place."""

    place: Place
    descriptor: Descriptor
    thumbnail: bytes | None


class MapWriter:
    """One session of a map. Places are written on a thread of its own, and kept for good within a
    second of being added, whatever becomes of the process."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: WriterLock, session: NewSession
    ) -> None:
        """Begin the session. Takes over connection and lock. Raises StoreError."""
        self.path = path
        self._connection = connection
        self._lock = lock
        with errors(path, "write"):
            self._session, self.session = session.insert(connection)
        self._streams: dict[str, int] = {}
        self._waiting: queue.Queue[Kept | None] = queue.Queue(WAITING)
        self._failure: Exception | None = None
        self._closed = False
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="map", daemon=True)
        self._thread.start()

    def add(self, kept: Kept) -> None:
        """Have a place written. Raises StoreError where an earlier one could not be."""
        if self._failure is not None:
            raise self._failure
        self._waiting.put(kept)

    def close(self) -> None:
        """Write what waits, end the session and let others write. Raises StoreError."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._thread.join()
        try:
            if self._failure is not None:
                raise self._failure
            with errors(self.path, "write"):
                self._end_session()
        finally:
            close_written(self._connection)
            self._lock.release()

    def _end_session(self) -> None:
        """Note when, or forget a session that has kept nothing."""
        if self._streams:
            statement = "UPDATE session SET ended = :now WHERE id = :id"
        else:
            statement = "DELETE FROM session WHERE id = :id"
        self._connection.execute(statement, {"now": time.time(), "id": self._session})

    def _work(self) -> None:
        """Write until told to end. What fails is said to whoever adds next; the rest is let go."""
        ended = False
        while not ended:
            first = self._waiting.get()
            if first is None:
                return
            if self._failure is not None:
                continue
            try:
                with errors(self.path, "write"):
                    ended = self._transaction(first)
            except Exception as error:  # whoever adds next gets it, and nobody waits for ever
                self._failure = error

    def _transaction(self, first: Kept) -> bool:
        """Commit what comes in COMMIT_SECONDS; whether the end has come, too."""
        connection, until = self._connection, time.monotonic() + COMMIT_SECONDS
        known = dict(self._streams)
        connection.execute("BEGIN IMMEDIATE")
        try:
            kept: Kept | None = first
            while kept is not None:
                self._insert(kept)
                kept = self._next(until)
            connection.execute("COMMIT")
        except BaseException:
            # What was begun is not half there; the streams of it are not there at all.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._streams = known
            raise
        return self._ending

    def _next(self, until: float) -> Kept | None:
        """The next one that comes before `until`; None where none does, or the end."""
        try:
            kept = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None
        self._ending = kept is None
        return kept

    def _insert(self, kept: Kept) -> None:
        row = row_of_place(kept.place, kept.descriptor, kept.thumbnail)
        insert(self._connection, self._stream(kept.place.stream), row)

    def _stream(self, name: str) -> int:
        if name not in self._streams:
            self._streams[name] = insert_stream(self._connection, self._session, name)
        return self._streams[name]
