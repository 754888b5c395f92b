"""Places of a map for other programs."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import ConfigError, StoreError
from streamvpr.maps.blobs import HALF
from streamvpr.maps.file import errors
from streamvpr.maps.opening import open_reader
from streamvpr.records import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = "pip install 'streamvpr[parquet]'"
COLUMNS = (
    "session",
    "stream",
    "idx",
    "time",
    "wall_time",
    "latitude",
    "longitude",
    "altitude",
    "path",
)
SELECT = (
    "SELECT session.name, stream.name, idx, time, wall_time, latitude, longitude, altitude, path,"
    " descriptor FROM place JOIN stream ON place.stream = stream.id"
    " JOIN session ON stream.session = session.id"
    " ORDER BY session.began, session.id, stream.id, idx"
)


def export_map(path: Path, output: Path) -> int:
    """Write the places of a map to `output`; how many those are.

    By its suffix: .npz and .parquet with descriptors (float16), .geojson those that have a
    position. Times are seconds of Unix time but in GeoJSON, an unknown one is NaN or null. Raises
    ConfigError for another suffix, or a missing extra, and StoreError.
    """
    writers = {".npz": _write_npz, ".parquet": _write_parquet, ".geojson": _write_geojson}
    try:
        write = writers[output.suffix.lower()]
    except KeyError:
        known = ", ".join(writers)
        raise ConfigError(f"cannot export to {output}: its name must end in {known}") from None
    with contextlib.closing(open_reader(path)) as reader:
        with errors(path, "read"):
            rows = reader.connection.execute(SELECT).fetchall()
        dimension = reader.model.dimension
    beside = output.with_name(output.name + ".part")
    try:
        count = write(rows, dimension, beside)
        beside.replace(output)
    except OSError as error:
        raise StoreError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}


def _write_npz(rows: list[tuple[Any, ...]], dimension: int, output: Path) -> int:
    columns = _columns(rows)
    texts = {name: np.array(columns[name], np.str_) for name in ("session", "stream", "path")}
    unknown = ("time", "wall_time", "latitude", "longitude", "altitude")
    numbers = {name: np.array(columns[name], np.float64) for name in unknown}
    with output.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            descriptor=_descriptors(rows, dimension),
            idx=np.array(columns["idx"], np.int64),
            **texts,
            **numbers,
        )
    return len(rows)


def _write_parquet(rows: list[tuple[Any, ...]], dimension: int, output: Path) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            f"exporting Parquet needs the extra `parquet`, which is not installed: {INSTALL}",
            remedy=INSTALL,
        ) from error
    text, real = pyarrow.string(), pyarrow.float64()
    types = (text, text, pyarrow.int64(), real, real, real, real, real, text)
    columns = {
        name: pyarrow.array(values, kind)
        for (name, values), kind in zip(_columns(rows).items(), types, strict=True)
    }
    flat = pyarrow.array(_descriptors(rows, dimension).ravel())
    columns["descriptor"] = pyarrow.FixedSizeListArray.from_arrays(flat, dimension)
    pyarrow.parquet.write_table(pyarrow.table(columns), output, compression="zstd")
    return len(rows)


def _write_geojson(rows: list[tuple[Any, ...]], dimension: int, output: Path) -> int:
    features = [_feature(dict(zip(COLUMNS, row[:-1], strict=True))) for row in rows]
    known = [feature for feature in features if feature is not None]
    if not known:
        raise StoreError("no place of the map has a position; GeoJSON would be empty")
    collection = {"type": "FeatureCollection", "features": known}
    output.write_text(json.dumps(collection) + os.linesep, encoding="utf-8")
    return len(known)


def _feature(place: dict[str, Any]) -> dict[str, Any] | None:
    """A point as RFC 7946 has it; None for a place without position."""
    position = [place.pop(name) for name in ("longitude", "latitude", "altitude")]
    if None in position[:2]:
        return None
    wall_time = place["wall_time"]
    place["wall_time"] = None if wall_time is None else rfc3339(wall_time)
    coordinates = [number for number in position if number is not None]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": place,
    }


def _descriptors(rows: list[tuple[Any, ...]], dimension: int) -> np.ndarray[Any, Any]:
    """(N, D) float16."""
    return np.frombuffer(b"".join(row[-1] for row in rows), HALF).reshape(-1, dimension)
