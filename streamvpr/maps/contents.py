"""What is in a map, for people and machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.maps.blobs import HALF, real
from streamvpr.maps.file import errors, sound
from streamvpr.maps.opening import open_reader
from streamvpr.records import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

# The year 9999, behind which there is no date.
END_OF_TIME = 253_402_300_800.0


@dataclass(frozen=True, slots=True)
class SessionContents:
    """One session of a map."""

    name: str
    began: str
    """RFC 3339 in UTC, as all times here."""
    ended: str | None
    """None where the run was cut off, or goes on."""
    streams: dict[str, int]
    """Places by stream."""

    @property
    def places(self) -> int:
        """Of all streams."""
        return sum(self.streams.values())


@dataclass(frozen=True, slots=True)
class MapContents:
    """What a map holds."""

    path: str
    model: str
    sha256: str
    dimension: int
    features: str | None
    places: int
    with_position: int
    bytes: int
    """Of the file, with what its journal holds."""
    memory_bytes: int
    """What searching it takes in memory, at least: the descriptors in float32."""
    earliest: str | None
    latest: str | None
    """Between which its places were seen; None where no place knows."""
    sessions: list[SessionContents]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    def as_text(self) -> str:
        """For people."""
        each = self.bytes / self.places if self.places else 0.0
        lines = [
            f"{self.path}: {self.places} places, {self.bytes / 1e6:.1f} MB "
            f"({each / 1e3:.1f} kB a place), {self.memory_bytes / 1e6:.1f} MB in memory",
            f"model {self.model}, {self.dimension}-d, sha256 {self.sha256[:12]}; "
            f"local features: {self.features or 'none'}",
            f"with position: {self.with_position}; seen: "
            + (f"{self.earliest} to {self.latest}" if self.earliest else "unknown"),
        ]
        for session in self.sessions:
            ended = session.ended or "did not end, or goes on"
            lines.append(f"{session.name}: {session.places} places; {session.began} to {ended}")
            lines += [f"    {name}: {count}" for name, count in session.streams.items()]
        return "\n".join(lines)


def read_contents(path: Path) -> MapContents:
    """What a map holds. Raises StoreError."""
    reader = open_reader(path)
    try:
        with errors(path, "read"), sound(path):
            places, positions, first, last = reader.connection.execute(
                "SELECT count(*), count(latitude), min(wall_time), max(wall_time) FROM place"
            ).fetchone()
            sessions = reader.connection.execute(
                "SELECT id, name, began, ended FROM session ORDER BY began, id"
            ).fetchall()
            streams = reader.connection.execute(
                "SELECT session, name, (SELECT count(*) FROM place WHERE stream = stream.id)"
                " FROM stream ORDER BY id"
            ).fetchall()
    finally:
        reader.close()
    with sound(path):
        model = reader.model
        return MapContents(
            path=str(path),
            model=model.name,
            sha256=model.sha256,
            dimension=model.dimension,
            features=None if model.features is None else model.features.value,
            places=places,
            with_position=positions,
            bytes=sum(part.stat().st_size for part in _parts(path)),
            memory_bytes=places * model.dimension * 2 * HALF.itemsize,
            earliest=None if first is None else when(first),
            latest=None if last is None else when(last),
            sessions=[
                SessionContents(
                    name,
                    when(began),
                    None if ended is None else when(ended),
                    {stream: count for of, stream, count in streams if of == number},
                )
                for number, name, began, ended in sessions
            ],
        )


def when(seconds: object) -> str:
    """A Unix time in words. Raises ValueError for what is none."""
    known = real(seconds)
    if known is None or not 0 <= known < END_OF_TIME:
        raise ValueError(f"{seconds!r:.40} is no time")
    return rfc3339(known)


def _parts(path: Path) -> list[Path]:
    """The file and its journal, where it has one now."""
    journal = path.with_name(path.name + "-wal")
    return [part for part in (path, journal) if part.exists()]
