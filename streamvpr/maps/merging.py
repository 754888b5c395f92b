"""Several maps into one."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError
from streamvpr.maps.editing import edited
from streamvpr.maps.file import errors
from streamvpr.maps.opening import open_reader
from streamvpr.maps.rows import insert, insert_stream, rows_after
from streamvpr.maps.session import free_name

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from streamvpr.maps.opening import MapReader

SESSION_COLUMNS = "uuid, name, began, ended, program, settings"


@dataclass(slots=True)
class Merged:
    """What came into a map."""

    sessions: int = 0
    """That were not there."""
    known_sessions: int = 0
    """That were there, and of which only what is newer came."""
    places: int = 0

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def merge_maps(path: Path, others: Sequence[Path]) -> Merged:
    """Take the sessions of other maps into the map at `path`, which is made where there is none.

    All of them, or none. A session keeps its UUID, so that merging the same one again adds nothing;
    where another has its name, it gets NAME-2. Raises StoreError, and ModelError and ConfigError
    where maps do not go together.
    """
    if not others:
        raise ConfigError("nothing to merge; name the maps behind the one that they go into")
    merged = Merged()
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(contextlib.closing(open_reader(o))) for o in others]
        _require_same(path, readers)
        with edited(path, model=readers[0].model) as connection:
            for reader in readers:
                with errors(reader.path, "read"):
                    _take(connection, reader.connection, merged)
    return merged


def _require_same(path: Path, readers: list[MapReader]) -> None:
    model = readers[0].model
    if path.exists():
        with contextlib.closing(open_reader(path)) as kept:
            model = kept.model
    for reader in readers:
        if path.exists() and path.samefile(reader.path):
            raise ConfigError(f"{path} cannot be merged into itself")
        model.require_same_as(reader.model, reader.path)


def _take(into: sqlite3.Connection, other: sqlite3.Connection, merged: Merged) -> None:
    sessions = other.execute(f"SELECT id, {SESSION_COLUMNS} FROM session ORDER BY began, id")
    for number, *values in sessions.fetchall():
        session = _session(into, values, merged)
        streams = other.execute("SELECT id, name FROM stream WHERE session = ?", (number,))
        for theirs, name in streams.fetchall():
            ours, newest = _stream(into, session, name)
            for row in rows_after(other, theirs, newest):
                insert(into, ours, row)
                merged.places += 1


def _session(into: sqlite3.Connection, values: list[Any], merged: Merged) -> int:
    """The session of that UUID, made where there is none."""
    uuid, name, began, ended, program, settings = values
    known = into.execute("SELECT id FROM session WHERE uuid = ?", (uuid,)).fetchone()
    if known is not None:
        merged.known_sessions += 1
        into.execute("UPDATE session SET ended = ? WHERE id = ?", (ended, known[0]))
        return int(known[0])
    merged.sessions += 1
    taken = {row[0] for row in into.execute("SELECT name FROM session")}
    added = into.execute(
        f"INSERT INTO session ({SESSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        (uuid, free_name(name, taken), began, ended, program, settings),
    ).lastrowid
    assert added is not None
    return added


def _stream(into: sqlite3.Connection, session: int, name: str) -> tuple[int, int]:
    """The stream of that name, made where there is none; the index of its newest place or -1."""
    known = into.execute(
        "SELECT id FROM stream WHERE session = ? AND name = ?", (session, name)
    ).fetchone()
    if known is None:
        return insert_stream(into, session, name), -1
    newest = into.execute("SELECT max(idx) FROM place WHERE stream = ?", known).fetchone()[0]
    return int(known[0]), -1 if newest is None else int(newest)
