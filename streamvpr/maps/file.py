"""Map files as SQLite sees them: told from others, opened, closed, and their errors."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamvpr.errors import StoreError
from streamvpr.maps.schema import APPLICATION_ID, PAGE_BYTES, STATEMENTS, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = b"SQLite format 3\0"
HEADER_BYTES = 100
# Another process may be in the middle of a commit, or of taking the journal into the file.
BUSY_SECONDS = 10.0
# Of one value in a file that a stranger made.
LARGEST_VALUE = 2**28
REMEDY = "`streamvpr map verify` says what is left"


def is_map(path: Path) -> bool:
    """Whether a file begins as maps do."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError:
        return False
    return head.startswith(HEADER) and _application(head) == APPLICATION_ID


def require_map(path: Path) -> None:
    """Raise StoreError where a file is no map that this program reads. Opens it for reading only,
    and not with SQLite, which might write to it."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise StoreError(f"cannot read the map {path}: {error.strerror}") from error
    if len(head) < HEADER_BYTES or not head.startswith(HEADER):
        raise StoreError(f"{path} is no map: it is no SQLite file; give another name to --map")
    if _application(head) != APPLICATION_ID:
        raise StoreError(f"{path} is no map, but another program's SQLite file")
    version = struct.unpack_from(">I", head, 60)[0]
    if version > VERSION:
        raise StoreError(
            f"the map {path} has format {version}, and this program knows formats up to {VERSION}; "
            "use a newer streamvpr"
        )
    if size < _whole_size(head) and not path.with_name(path.name + "-wal").exists():
        raise StoreError(
            f"the map {path} is cut off: it has {size} bytes of {_whole_size(head)}; take a copy "
            "that is whole"
        )


def create(path: Path, model: tuple[object, ...]) -> None:
    """Make an empty map, all at once: a process that dies meanwhile leaves none.

    `model`: the values of the table `map`. For the holder of the map's lock. Raises StoreError.
    """
    beside = path.with_name(path.name + "-new")
    with errors(path, "write"):
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("BEGIN")
            for statement in STATEMENTS:
                connection.execute(statement)
            connection.execute("INSERT INTO map VALUES (1, ?, ?, ?, ?)", model)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            beside.unlink(missing_ok=True)
            raise
        connection.close()
        beside.rename(path)
        _sync_folder(path.parent)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open what `require_map` has passed. Raises StoreError.

    Transactions are begun and ended by whoever writes. Any thread may use it, one at a time.
    """
    mode = "rw" if write else "ro"
    with errors(path, "write" if write else "read"):
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
            # What is in the file cannot call functions of ours, and a cell that overlaps another
            # is an error and no endless loop.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            if write:
                # FULL: what is committed also outlasts a power cut.
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
            _require_tables(path, connection)
        except BaseException:
            connection.close()
            raise
        return connection


def close_written(connection: sqlite3.Connection) -> None:
    """Leave one file behind, without journal, that also read-only media can carry.

    Where another process reads the map, the journal stays; SQLite goes on with it.
    """
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()


@contextlib.contextmanager
def sound(path: Path) -> Iterator[None]:
    """Turn what comes of values that no map holds into StoreError."""
    try:
        yield
    except (StoreError, LookupError, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"the map {path} is damaged ({error}); {REMEDY}") from error


@contextlib.contextmanager
def errors(path: Path, what: str) -> Iterator[None]:
    """Turn errors of SQLite and of the system into StoreError; `what` is read or write."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_explained(path, what, error)) from error
    except OSError as error:
        raise StoreError(f"cannot {what} the map {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        # Of a text in the file, or of SQLite's own message that quotes one.
        raise StoreError(f"the map {path} is damaged ({error}); {REMEDY}") from error


def _require_tables(path: Path, connection: sqlite3.Connection) -> None:
    """Raise StoreError where tables are not those that this program makes, with their types."""
    made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    if sorted(_words(sql) for (sql,) in made) != sorted(map(_words, STATEMENTS)):
        raise StoreError(f"the map {path} has other tables than maps have; take a copy from before")


def _words(statement: object) -> list[str]:
    return str(statement).split()


def _explained(path: Path, what: str, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"the map {path} is damaged ({error}); {REMEDY}"
    if primary == sqlite3.SQLITE_FULL:
        return f"cannot {what} the map {path}: No space left on device"
    if primary == sqlite3.SQLITE_READONLY:
        return f"cannot write the map {path}: it is read-only; --map-read-only only searches it"
    return f"cannot {what} the map {path}: {error}"


def _application(head: bytes) -> int:
    return int(struct.unpack_from(">I", head, 68)[0]) if len(head) >= HEADER_BYTES else 0


def _whole_size(head: bytes) -> int:
    """Bytes of the file as its own header counts them."""
    page = struct.unpack_from(">H", head, 16)[0]
    return int(struct.unpack_from(">I", head, 28)[0]) * (65536 if page == 1 else int(page))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
