"""What an encoder has learned, in one file without code: NumPy's .npz, never a pickle."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.draft import draft_of
from streamvpr.errors import ModelError, StoreError
from streamvpr.frames import FeatureKind

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

VERSION = 1
# A file of the largest kind that anybody would make; a hostile one costs no more than that.
MOST_BYTES = 64 << 20
MOST_ARRAYS = 32
MOST_ROWS = 65_535
# Halves move a descriptor by less than one in a thousand.
STORED = np.dtype(np.float16)
READ = ("f2", "f4", "u2", "i4", "U")
ABOUT = ("name", "kind", "version")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The arrays of an encoder, with what it is called and which features it takes."""

    name: str
    kind: FeatureKind
    arrays: dict[str, NDArray[np.generic]]
    path: Path | None = field(default=None, compare=False)
    """Where they were read."""

    def floats(self, name: str, *shape: int | None) -> NDArray[np.float32]:
        """An array of finite numbers of that shape; None: 1 to MOST_ROWS. Raises ModelError."""
        array = self._array(name, "f", shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise self.error(f"{name!r} has numbers that are not finite")
        return array

    def numbers(self, name: str, below: int, *shape: int | None) -> NDArray[np.uint16]:
        """An array of whole numbers from 0 to `below` - 1 of that shape. Raises ModelError."""
        array = self._array(name, "u", shape)
        if int(array.max()) >= below:
            raise self.error(f"{name!r} has numbers of {below} and more")
        return array.astype(np.uint16)

    def error(self, what: str) -> ModelError:
        """What to raise of a file that is not as it should be."""
        return ModelError(f"{self.path or self.name} is no file of an encoder: {what}")

    def _array(self, name: str, letter: str, shape: tuple[int | None, ...]) -> NDArray[np.generic]:
        array = self.arrays.get(name)
        if array is None:
            raise self.error(f"it has no {name!r}")
        fits = len(array.shape) == len(shape) and all(
            1 <= found <= MOST_ROWS and wanted in (None, found)
            for found, wanted in zip(array.shape, shape, strict=True)
        )
        if array.dtype.kind != letter or not fits:
            raise self.error(f"{name!r} is {array.dtype} {array.shape}")
        return array


def write_parameters(path: Path, parameters: Parameters) -> None:
    """Write them, fractions as float16; the same bytes for the same numbers. What was there before
    stays until all is written. Raises StoreError."""
    arrays = {
        name: array.astype(STORED) if array.dtype.kind == "f" else array
        for name, array in parameters.arrays.items()
    }
    about = {
        "name": np.array(parameters.name),
        "kind": np.array(str(parameters.kind)),
        "version": np.array(VERSION, np.int32),
    }
    try:
        with draft_of(path) as file:
            np.savez_compressed(file, allow_pickle=False, **about, **arrays)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; check the folder") from error


def read_parameters(path: Path) -> Parameters:
    """Read them; takes twice MOST_BYTES of memory at most. Raises ModelError."""
    try:
        arrays = _read_arrays(path)
        version = int(arrays["version"])
        if version != VERSION:
            raise ModelError(f"{path} is of version {version}; this program reads {VERSION}")
        kind = FeatureKind(str(arrays["kind"]))
        name = str(arrays["name"])
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or 'it is damaged'}") from error
    except _DAMAGES as error:
        raise ModelError(f"{path} is no file of an encoder, or damaged") from error
    return Parameters(name, kind, {k: a for k, a in arrays.items() if k not in ABOUT}, path)


# What Python's reader of archives and NumPy's of headers raise of what is none. A password or an
# unknown packing end in RuntimeError and its kind.
_DAMAGES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    zipfile.BadZipFile,
    tokenize.TokenError,
    zlib.error,
)


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    # Its directory is read in one piece, before anything is known of it.
    if path.stat().st_size > MOST_BYTES:
        raise ValueError("too large")
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MOST_ARRAYS or sum(m.file_size for m in members) > MOST_BYTES:
            raise ValueError("too large")
        return {
            member.filename.removesuffix(".npy"): _array_of(_unpacked(archive, member))
            for member in members
        }


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # No more than it claims, however much more is packed there.
    with archive.open(member) as file:
        return file.read(member.file_size)


def _array_of(content: bytes) -> NDArray[np.generic]:
    """An array as NumPy writes it, whose header is looked at before there is room made for it."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not of version 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if not any(dtype.str[1:].startswith(letters) for letters in READ):
        raise ValueError(f"of {dtype}")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError("of another size than it says")
    file.seek(0)
    array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    return array
