"""This program's own vocabularies: four arrays in a zip file, as NumPy's .npz."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from streamvpr.bits import BYTES
from streamvpr.retrieval.vocabulary_tree import MOST_NODES, VocabularyTree, Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZIP = b"PK\x03\x04"
VERSION = 1
# k, L, weighting stand behind the version.
SHAPE = ("shape", "<i4", 4)
CHILDREN = ("children", "|u1", MOST_NODES + 1)
DESCRIPTORS = ("descriptors", "|u1", MOST_NODES * BYTES)
WEIGHTS = ("weights", "<f4", MOST_NODES)
# Of a file that says so; NumPy pads its own to 64 bytes or 128.
LONGEST_HEADER = 1024


def write_npz(tree: VocabularyTree, file: BinaryIO) -> None:
    """Write it, the same bytes each time. Raises OSError."""
    arrays = {
        "shape": np.array([VERSION, tree.branching, tree.levels, tree.weighting], "<i4"),
        "children": tree.children.astype("|u1"),
        "descriptors": tree.descriptors,
        "weights": tree.weights.astype("<f4"),
    }
    # Not compressed: bits of words are as good as chance.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            made = io.BytesIO()
            np.lib.format.write_array(made, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), made.getvalue())


def read_npz(file: BinaryIO) -> VocabularyTree:
    """The tree of such a file. Raises ValueError for any other, OSError, MemoryError."""
    try:
        with zipfile.ZipFile(file) as archive:
            shape = _array(archive, *SHAPE)
            _require_version(shape)
            children = _array(archive, *CHILDREN)
            descriptors = _array(archive, *DESCRIPTORS)
            weights = _array(archive, *WEIGHTS)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    if descriptors.ndim != 2 or descriptors.shape[1] != BYTES:
        raise ValueError(f"its descriptors {descriptors.shape} are not ORB's {BYTES} bytes each")
    if children.ndim != 1 or weights.ndim != 1:
        raise ValueError("its arrays have other dimensions")
    _, branching, levels, weighting = shape.tolist()
    return VocabularyTree(
        branching,
        levels,
        Weighting(weighting),
        children.astype(np.int64),
        np.asarray(descriptors, np.uint8),
        np.asarray(weights, np.float32),
    )


def _require_version(shape: NDArray[np.generic]) -> None:
    if shape.shape != (4,):
        raise ValueError("its shape is not four numbers")
    version, weighting = int(shape[0]), int(shape[3])
    if version != VERSION:
        raise ValueError(f"its version is {version}, and this program knows {VERSION}")
    if weighting not in list(Weighting):
        raise ValueError(f"its weighting {weighting} is none of 0 to 3")


def _array(archive: zipfile.ZipFile, name: str, kind: str, most: int) -> NDArray[np.generic]:
    """An array of that type of `most` elements or fewer. What claims more is not read."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    dtype = np.dtype(kind)
    if info.file_size > most * dtype.itemsize + LONGEST_HEADER:
        raise ValueError(f"its {name} have {info.file_size} bytes, which is too many")
    data = io.BytesIO(archive.read(info))
    try:
        if np.lib.format.read_magic(data) != (1, 0):
            raise ValueError(f"its {name} are of another version of NumPy's format")
        shape, fortran, found = np.lib.format.read_array_header_1_0(data)
    except (ValueError, SyntaxError, TypeError, RecursionError) as error:
        raise ValueError(f"its {name} are no array: {error}") from error
    raw = data.read()
    if found != dtype or fortran or np.prod(shape, dtype=object) * dtype.itemsize != len(raw):
        raise ValueError(f"its {name} are not {len(raw)} bytes of {dtype.name}")
    return np.frombuffer(raw, dtype).reshape(shape)
