"""Vocabularies that DBoW2 and DBoW3 wrote through OpenCV's FileStorage: YAML, XML or JSON.

OpenCV's own reader finds an element of a sequence by walking to it, which takes hours for a million
nodes, and was not made for files from strangers. These files have one form, which is looked for
here: `nodeId`, `parentId`, `weight` and `descriptor` of each node, in that order.
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from streamvpr.bits import BYTES
from streamvpr.retrieval.node_table import in_order
from streamvpr.retrieval.vocabulary_tree import MOST_NODES, VocabularyTree, Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray

GZIP = b"\x1f\x8b"
NAME = b"vocabulary"
HEAD = 4096
"""k, L, scoringType and weightingType are within the first so many bytes."""
BLOCK = 1 << 20
# No node takes more: what is left of a block goes before the next one.
LONGEST = 4096
MOST_BYTES = 1 << 33
# `name: 1` in YAML, `<name>1</name>` in XML, `"name": 1` in JSON.
VALUE = rb'%s"?\s{0,99}[:>]\s{0,99}'
CLOSING = rb"(?:</\w{1,20}>)?[\s,]{0,99}<?\"?"
NODE = re.compile(
    VALUE % b"nodeId"
    + rb"(\d{1,9})"
    + CLOSING
    + VALUE % b"parentId"
    + rb"(\d{1,9})"
    + CLOSING
    + VALUE % b"weight"
    + rb"([-+.\w]{1,40})"
    + CLOSING
    + VALUE % b"descriptor"
    + rb'"?([\w\s.]{0,1500})["<}]'
)
WORD = re.compile(VALUE % b"wordId" + rb"\d{1,9}" + CLOSING + VALUE % b"nodeId" + rb"(\d{1,9})")
# What DBoW3 puts before a descriptor's bytes: its name, OpenCV's type, their number.
DBOW3 = [b"dbw3", b"0", b"%d" % BYTES]


def looks_like_storage(head: bytes) -> bool:
    """Whether a file that begins so is one of these, or of these within gzip."""
    return head.startswith(GZIP) or NAME in head[:HEAD]


def read_storage(file: BinaryIO) -> VocabularyTree:
    """The tree of such a file, from its beginning. Raises ValueError, OSError, MemoryError.

    Which score is named is not looked at: here it is L1.
    """
    compressed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    text = gzip.GzipFile(fileobj=file) if compressed else file
    try:
        return _read(text)  # type: ignore[arg-type]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError("it is damaged, or ends too early") from error


def _read(file: BinaryIO) -> VocabularyTree:
    head = file.read(HEAD)
    if NAME not in head:
        raise ValueError(f"it has no {NAME.decode()}")
    weighting = _number(head, b"weightingType")
    if weighting not in list(Weighting):
        raise ValueError(f"its weightingType {weighting} is none of DBoW3's, 0 to 3")
    nodes = _Nodes()
    rest, total = head, len(head)
    while block := file.read(BLOCK):
        total += len(block)
        if total > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        rest = nodes.take(rest + block)
    nodes.take(rest)
    tree = VocabularyTree.of_parents(
        _number(head, b"k"), _number(head, b"L"), Weighting(weighting), *nodes.in_order()
    )
    if nodes.words != tree.words:
        raise ValueError(
            f"it lists {nodes.words} words, and {tree.words} nodes have no children: it is "
            "damaged, or ends too early"
        )
    return tree


class _Nodes:
    """What was found so far."""

    def __init__(self) -> None:
        self.words = 0
        self._numbers: list[int] = []
        self._parents: list[int] = []
        self._weights: list[float] = []
        self._descriptors = bytearray()

    def take(self, text: bytes) -> bytes:
        """Look for them in some text; what goes before the next. Raises ValueError."""
        end = max(0, len(text) - LONGEST)
        for node in NODE.finditer(text):
            number, parent, weight, descriptor = node.groups()
            self._numbers.append(int(number))
            self._parents.append(int(parent))
            self._weights.append(_weight(weight))
            self._descriptors += _descriptor(descriptor)
            end = max(end, node.end())
        if len(self._numbers) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES} nodes")
        for word in WORD.finditer(text):
            self.words += 1
            end = max(end, word.end())
        return text[end:]

    def in_order(self) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.floating]]:
        """Parents, descriptors and weights by number."""
        descriptors = np.frombuffer(bytes(self._descriptors), np.uint8).reshape(-1, BYTES)
        return in_order(
            np.array(self._numbers, np.int64),
            np.array(self._parents, np.int64),
            descriptors,
            np.array(self._weights, np.float64),
        )


def _number(head: bytes, name: bytes) -> int:
    found = re.search(rb"[\s\"<]" + VALUE % name + rb"(\d{1,3})\b", head)
    if found is None:
        raise ValueError(f"it has no {name.decode()}")
    return int(found[1])


def _weight(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text.decode(errors='replace')} is no weight") from None


def _descriptor(text: bytes) -> bytes:
    parts = text.split()
    if len(parts) == len(DBOW3) + BYTES and parts[: len(DBOW3)] == DBOW3:
        parts = parts[len(DBOW3) :]
    elif len(parts) != BYTES:
        raise ValueError(
            f"a descriptor `{text[:24].decode(errors='replace')} ...` is not ORB's {BYTES} bytes; "
            "other descriptors can't be used"
        )
    try:
        return bytes(map(int, parts))
    except ValueError:
        raise ValueError("a descriptor has what is no byte") from None
