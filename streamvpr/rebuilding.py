"""The places of a map described anew: by another model, or with other local features."""

from __future__ import annotations

import contextlib
import itertools
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvpr.config import RunOptions
from streamvpr.encoded import decode
from streamvpr.errors import ConfigError, SourceError, StoreError
from streamvpr.frames import Frame
from streamvpr.kit import Kit
from streamvpr.maps.blobs import pack_descriptor, pack_features
from streamvpr.maps.editing import edited
from streamvpr.maps.file import errors
from streamvpr.maps.merging import SESSION_COLUMNS
from streamvpr.maps.opening import open_reader
from streamvpr.maps.rows import PlaceRow, insert, insert_stream, rows_after
from streamvpr.sources import SourceOptions, open_source
from streamvpr.sources.images import ImagePicture, read_image

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from streamvpr.config import RebuildOptions
    from streamvpr.frames import Described, Image, Picture

# Stream times that are read again are the same to the container's clock.
SAME_TIME = 1e-3

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Rebuilt:
    """Where the pictures came from."""

    from_sources: int = 0
    from_thumbnails: int = 0
    lost: int = 0
    """Places of which no picture is left: they are not in the new map."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


class ThumbnailPicture(ImagePicture):
    """What is left of a picture: as wide as the source was, and no sharper than its thumbnail."""

    def __init__(self, bgr: Image, width: int) -> None:
        super().__init__(bgr)
        self.height = max(1, round(self.height * width / self.width))
        self.width = width


def rebuild_map(path: Path, output: Path, options: RebuildOptions) -> Rebuilt:
    """Write the places of a map to a new one, described by the model of the options.

    Pictures come from the images and videos that the places were made of, where those are still
    there, else from the thumbnails. Raises ConfigError where there is a file at `output`,
    StoreError, ModelError.
    """
    if output.exists():
        raise ConfigError(f"{output} is there already; give the rebuilt map another name")
    kit = Kit(
        RunOptions(
            model=options.model,
            device=options.device,
            threads=options.threads,
            batch_size=options.batch_size,
            local_features=options.local_features,
        )
    )
    rebuilt = Rebuilt()
    with contextlib.closing(open_reader(path)) as reader:
        model = kit.map_model()
        with edited(output, model=model) as into, errors(path, "read"):
            for session, streams in _sessions(reader.connection, into):
                for theirs, name in streams:
                    ours = insert_stream(into, session, name)
                    shown = iter(_Pictures(reader.connection, theirs, rebuilt))
                    while batch := list(itertools.islice(shown, options.batch_size)):
                        _insert_described(into, ours, kit, batch)
    if rebuilt.lost:
        logger.warning("%d places have no picture any more: not in %s", rebuilt.lost, output)
    return rebuilt


def _sessions(
    connection: sqlite3.Connection, into: sqlite3.Connection
) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """Each session, written down in the new map, and its streams in the old one."""
    sessions = connection.execute(f"SELECT id, {SESSION_COLUMNS} FROM session ORDER BY began, id")
    for number, *values in sessions.fetchall():
        added = into.execute(
            f"INSERT INTO session ({SESSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", values
        ).lastrowid
        assert added is not None
        streams = connection.execute("SELECT id, name FROM stream WHERE session = ?", (number,))
        yield added, streams.fetchall()


def _insert_described(
    into: sqlite3.Connection, stream: int, kit: Kit, batch: list[tuple[PlaceRow, Frame]]
) -> None:
    described = kit.describe([frame for _, frame in batch])
    for (row, _), item in zip(batch, described, strict=True):
        insert(into, stream, _described_anew(row, item))


def _described_anew(row: PlaceRow, item: Described) -> PlaceRow:
    assert item.descriptor is not None
    features = None if item.features is None else pack_features(item.features)
    return PlaceRow((*row.place[:-1], pack_descriptor(item.descriptor)), features, row.jpeg)


class _Pictures:
    """The places of one stream of a map with the pictures that they were made of."""

    def __init__(self, connection: sqlite3.Connection, stream: int, rebuilt: Rebuilt) -> None:
        self._connection = connection
        self._stream = stream
        self._rebuilt = rebuilt

    def __iter__(self) -> Iterator[tuple[PlaceRow, Frame]]:
        rows = rows_after(self._connection, self._stream, -1)
        for path, of_one in itertools.groupby(rows, key=_path):
            with contextlib.closing(_Video(path)) as video:
                for row in of_one:
                    picture = self._picture(row, path, video)
                    if picture is None:
                        self._rebuilt.lost += 1
                    else:
                        yield row, Frame(time=None, path=path, picture=picture)

    def _picture(self, row: PlaceRow, path: str, video: _Video) -> Picture | None:
        _, time, *_ = row.place
        picture = video.at(time) if isinstance(time, float) else read_image(Path(path))
        if picture is not None:
            self._rebuilt.from_sources += 1
            return picture
        if row.jpeg is None:
            return None
        bgr = decode(row.jpeg)
        if bgr is None:
            raise StoreError("a thumbnail is no picture; `streamvpr map verify` says which")
        self._rebuilt.from_thumbnails += 1
        return ThumbnailPicture(bgr, int(str(row.place[-2])))


class _Video:
    """A video that is read once, for pictures at increasing times."""

    def __init__(self, path: str) -> None:
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        if not Path(path).is_file():
            return
        try:
            self._source = open_source(path, name="", options=SourceOptions())
        except SourceError as error:
            logger.warning("%s", error)
            return
        self._frames = self._source.frames()

    def at(self, time: float) -> Picture | None:
        """The picture of that stream time in seconds; None where there is none."""
        try:
            while self._next is None or (self._next.time or 0.0) < time - SAME_TIME:
                self._next = next(self._frames, None)
                if self._next is None:
                    return None
        except SourceError as error:
            logger.warning("%s", error)
            self._frames, self._next = iter(()), None
            return None
        found = (self._next.time or 0.0) <= time + SAME_TIME
        return self._next.picture if found else None

    def close(self) -> None:
        """Let go of the file."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()
            self._source.close()


def _path(row: PlaceRow) -> str:
    return str(row.place[-3])
