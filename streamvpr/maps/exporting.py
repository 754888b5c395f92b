"""Places of a map for other programs."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.errors import ConfigError, StoreError
from streamvpr.maps.blobs import HALF, real, unpack_descriptors
from streamvpr.maps.contents import when
from streamvpr.maps.file import errors, sound
from streamvpr.maps.opening import open_reader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Halves = NDArray[np.float16]

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
    with contextlib.closing(open_reader(path)) as reader, errors(path, "read"), sound(path):
        rows = [_exported(row) for row in reader.connection.execute(SELECT)]
        dimension = reader.model.dimension
        descriptors = _halves([row[-1] for row in rows], dimension)
    beside = output.with_name(output.name + ".part")
    try:
        count = write(rows, descriptors, beside)
        beside.replace(output)
    except OSError as error:
        raise StoreError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return count


def _exported(row: tuple[Any, ...]) -> tuple[Any, ...]:
    session, stream, index, *numbers, path, descriptor = row
    return (*map(str, (session, stream)), int(index), *map(real, numbers), str(path), descriptor)


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}


def _write_npz(rows: list[tuple[Any, ...]], descriptors: Halves, output: Path) -> int:
    columns = _columns(rows)
    texts = {name: np.array(columns[name], np.str_) for name in ("session", "stream", "path")}
    unknown = ("time", "wall_time", "latitude", "longitude", "altitude")
    numbers = {name: np.array(columns[name], np.float64) for name in unknown}
    with output.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            descriptor=descriptors,
            idx=np.array(columns["idx"], np.int64),
            **texts,
            **numbers,
        )
    return len(rows)


def _write_parquet(rows: list[tuple[Any, ...]], descriptors: Halves, output: Path) -> int:
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
    flat = pyarrow.array(descriptors.ravel())
    columns["descriptor"] = pyarrow.FixedSizeListArray.from_arrays(flat, descriptors.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(columns), output, compression="zstd")
    return len(rows)


def _write_geojson(rows: list[tuple[Any, ...]], descriptors: Halves, output: Path) -> int:
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
    place["wall_time"] = None if wall_time is None else when(wall_time)
    coordinates = [number for number in position if number is not None]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": place,
    }


def _halves(blobs: list[bytes], dimension: int) -> Halves:
    """(N, D). Raises StoreError where one has another size, or no direction."""
    unpack_descriptors(blobs, dimension)
    return np.frombuffer(b"".join(blobs), HALF).reshape(-1, dimension)
