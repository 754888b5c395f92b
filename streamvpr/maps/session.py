"""One run's share of a map."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streamvpr import __version__

if TYPE_CHECKING:
    import sqlite3

UNNAMED = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that begins."""

    settings: dict[str, Any]
    """The run's options as TOML takes them."""
    name: str | None = None
    """None: the time at which it begins, in UTC."""
    began: float = field(default_factory=time.time)
    """Seconds of Unix time."""

    def insert(self, connection: sqlite3.Connection) -> tuple[int, str]:
        """Write it down: its number in the file and its name, with -2 where there is one of that
        name."""
        named = self.name or datetime.fromtimestamp(self.began, UTC).strftime(UNNAMED)
        taken = {name for (name,) in connection.execute("SELECT name FROM session")}
        name = free_name(named, taken)
        cursor = connection.execute(
            "INSERT INTO session (uuid, name, began, program, settings) VALUES (?, ?, ?, ?, ?)",
            (str(uuid.uuid4()), name, self.began, __version__, json.dumps(self.settings)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid, name


def free_name(named: str, taken: set[str]) -> str:
    """The name, or the first of NAME-2, NAME-3, ... that is not taken."""
    name, number = named, 1
    while name in taken:
        number += 1
        name = f"{named}-{number}"
    return name
