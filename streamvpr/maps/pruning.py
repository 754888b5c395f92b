"""Making a map smaller."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError
from streamvpr.maps.coverage import covered, covering
from streamvpr.maps.editing import edited, shrink
from streamvpr.maps.file import errors, sound
from streamvpr.maps.history import load_history
from streamvpr.maps.opening import open_reader

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What goes."""

    sessions: Sequence[str] = ()
    """Sessions of these names."""
    older_than: float | None = None
    """Sessions that began more than so many days ago."""
    most: int | None = None
    """So many places are left at most, those that stand for the others."""
    share: float | None = None
    """The same as a share of the places that the other rules leave, 0 to 1."""

    @property
    def bounded(self) -> bool:
        """Whether the number of places is."""
        return self.most is not None or self.share is not None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of a map."""

    places_before: int
    places: int
    sessions_removed: list[str]
    bytes_before: int
    bytes: int
    covered: int | None
    """Of the places that others stand for now, those that geometry finds again in what is left.
    None where that was not measured."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def prune_map(path: Path, rules: Rules, *, measure: bool = False) -> Pruned:
    """Take places out of a map and give their space back. All at once, or nothing.

    Raises ConfigError where there is no rule, or a session is not there; StoreError.
    """
    if not (rules.sessions or rules.older_than is not None or rules.bounded):
        raise ConfigError("nothing to prune by; give --session, --older-than, --most or --share")
    with contextlib.closing(open_reader(path)) as reader, errors(path, "read"):
        model, before = reader.model, _count(reader.connection)
    size, found = path.stat().st_size, None
    with edited(path) as connection:
        with sound(path):
            removed = _remove_sessions(connection, path, rules)
        history = load_history(path, connection, model) if rules.bounded else None
        if history is not None:
            keep = covering(history, _most(rules, len(history)))
            found = covered(history, keep) if measure else None
            _remove_places(connection, history.numbers[~keep])
        after = _count(connection)
    shrink(path)
    return Pruned(before, after, removed, size, path.stat().st_size, found)


def _most(rules: Rules, places: int) -> int:
    least = places if rules.most is None else rules.most
    return least if rules.share is None else min(least, round(rules.share * places))


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM place").fetchone()[0])


def _remove_sessions(connection: sqlite3.Connection, path: Path, rules: Rules) -> list[str]:
    """Take out sessions by name and by age; the names of those that went."""
    sessions = connection.execute("SELECT id, name, began FROM session ORDER BY began").fetchall()
    unknown = set(rules.sessions) - {name for _, name, _ in sessions}
    if unknown:
        raise ConfigError(
            f"the map {path} has no session {sorted(unknown)[0]!r}; `streamvpr map info` names them"
        )
    oldest = None if rules.older_than is None else time.time() - rules.older_than * DAY_SECONDS
    gone = [
        (number, name)
        for number, name, began in sessions
        if name in rules.sessions or (oldest is not None and began < oldest)
    ]
    connection.executemany("DELETE FROM session WHERE id = ?", [(n,) for n, _ in gone])
    return [name for _, name in gone]


def _remove_places(connection: sqlite3.Connection, numbers: NDArray[np.int64]) -> None:
    connection.executemany("DELETE FROM place WHERE id = ?", [(int(n),) for n in numbers])
    connection.execute("DELETE FROM stream WHERE id NOT IN (SELECT stream FROM place)")
    connection.execute("DELETE FROM session WHERE id NOT IN (SELECT session FROM stream)")
