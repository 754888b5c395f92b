"""DBoW3's vocabularies as plain bytes (its `toStream`, not compressed)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from streamvpr.bits import BYTES
from streamvpr.retrieval.node_table import in_order
from streamvpr.retrieval.vocabulary_tree import MOST_NODES, VocabularyTree, Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNATURE = struct.pack("<Q", 88877711233)
# Whether what follows is compressed, and how many nodes there are, the root among them.
START = struct.Struct("<?I")
# k, L, score, weighting.
SHAPE = struct.Struct("<4i")
NODE = np.dtype(
    [
        ("number", "<u4"),
        ("parent", "<u4"),
        ("weight", "<f8"),
        ("columns", "<i4"),
        ("rows", "<i4"),
        ("type", "<i4"),
        ("descriptor", "u1", BYTES),
    ]
)
WORDS = struct.Struct("<I")
BYTES_A_WORD = 8
# OpenCV's number of bytes.
CV_8U = 0
BLOCK = 1 << 16


def read_binary(file: BinaryIO) -> VocabularyTree:
    """The tree of such a file, from its beginning. Raises ValueError, MemoryError.

    Which score is named is not looked at: here it is L1.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise ValueError("it does not begin as DBoW3's binary files do")
    compressed, nodes = START.unpack(_read(file, START.size))
    if compressed:
        raise ValueError(
            "it is compressed by QuickLZ, which is not read here; save it with DBoW3's "
            "`save(name, false)`, or as .yml"
        )
    if not 2 <= nodes <= MOST_NODES:
        raise ValueError(f"it says that it has {nodes} nodes, not 2 to {MOST_NODES}")
    branching, levels, _, weighting = SHAPE.unpack(_read(file, SHAPE.size))
    if weighting not in list(Weighting):
        raise ValueError(f"its weighting {weighting} is none of DBoW3's, 0 to 3")
    table = _nodes(file, nodes - 1)
    tree = VocabularyTree.of_parents(
        branching,
        levels,
        Weighting(weighting),
        *in_order(table["number"], table["parent"], table["descriptor"], table["weight"]),
    )
    (words,) = WORDS.unpack(_read(file, WORDS.size))
    if words != tree.words:
        raise ValueError(f"it says that it has {words} words, and {tree.words} nodes are words")
    _read(file, words * BYTES_A_WORD)
    return tree


def _nodes(file: BinaryIO, many: int) -> NDArray[np.void]:
    """(M,) NODE, read in parts: a file that says more than it has gets no memory for it."""
    parts = []
    for start in range(0, many, BLOCK):
        part = np.frombuffer(_read(file, min(BLOCK, many - start) * NODE.itemsize), NODE)
        other = (part["columns"] != BYTES) | (part["rows"] != 1) | (part["type"] != CV_8U)
        if other.any():
            first = part[np.flatnonzero(other)[0]]
            raise ValueError(
                f"a descriptor has {first['rows']} by {first['columns']} elements of OpenCV's type "
                f"{first['type']}, not ORB's {BYTES} bytes; other descriptors can't be used"
            )
        parts.append(part)
    return np.concatenate(parts)


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends too early")
    return data
