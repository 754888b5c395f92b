"""DBoW2's vocabularies as text, as ORB-SLAM ships its own (ORBvoc.txt)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from streamvpr.bits import BYTES
from streamvpr.retrieval.vocabulary_tree import (
    MOST_NODES,
    VocabularyTree,
    Weighting,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# parent, whether it is a word, the descriptor, the weight.
COLUMNS = 2 + BYTES + 1
# Text that becomes numbers at once, eight bytes each.
BLOCK = 1 << 21
LONGEST_LINE = 4096
# Lines that are written at once.
LINES = 4096
# The score that is named in the file: L1, DBoW2's first.
L1_NORM = 0


def read_text(file: BinaryIO) -> VocabularyTree:
    """The tree of a text: `k L scoring weighting`, then a line a node, numbered from 1.

    Which score is named is not looked at: here it is L1. Raises ValueError for what is no such
    text, MemoryError.
    """
    branching, levels, weighting = read_head(file.readline(LONGEST_LINE))
    parents, leaves, descriptors, weights = [], [], [], []
    read = 0
    for text in _blocks(file):
        table = _numbers(text, read)
        read += len(table)
        if read > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES} nodes")
        parents.append(table[:, 0].astype(np.int32))
        leaves.append(table[:, 1] > 0)
        descriptors.append(table[:, 2:-1].astype(np.uint8))
        weights.append(table[:, -1].copy())
    if not read:
        raise ValueError("it has no nodes")
    parent_of = np.concatenate(parents)
    _require_leaves(parent_of, np.concatenate(leaves))
    return VocabularyTree.of_parents(
        branching,
        levels,
        weighting,
        parent_of,
        np.concatenate(descriptors),
        np.concatenate(weights),
    )


def write_text(tree: VocabularyTree, file: BinaryIO) -> None:
    """Write it so that DBoW2's own `loadFromTextFile` reads the same words. Raises OSError."""
    head = f"{tree.branching} {tree.levels} {L1_NORM} {tree.weighting.value}\n"
    file.write(head.encode())
    is_word = tree.children[1:] == 0
    weights = np.zeros(tree.nodes, np.float32)
    weights[is_word] = tree.weights
    for start in range(0, tree.nodes, LINES):
        block = slice(start, start + LINES)
        rows = zip(
            tree.parents[block].tolist(),
            is_word[block].tolist(),
            tree.descriptors[block].tolist(),
            weights[block].tolist(),
            strict=True,
        )
        file.write("".join(_line(*row) for row in rows).encode())


def looks_like_text(head: bytes) -> bool:
    """Whether a file that begins so is one of these."""
    return _head_numbers(head.split(b"\n", 1)[0]) is not None


def read_head(line: bytes) -> tuple[int, int, Weighting]:
    """k, L and weighting of the first line. Raises ValueError."""
    numbers = _head_numbers(line)
    if numbers is None:
        raise ValueError("its first line is not `k L scoring weighting`")
    branching, levels, _, weighting = numbers
    if weighting not in list(Weighting):
        raise ValueError(f"its weighting {weighting} is none of DBoW2's, 0 to 3")
    return branching, levels, Weighting(weighting)


def _head_numbers(line: bytes) -> list[int] | None:
    parts = line.split()
    if len(parts) != 4 or not all(part.isdigit() and len(part) < 4 for part in parts):
        return None
    return [int(part) for part in parts]


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The rest, some whole lines at a time."""
    while text := file.read(BLOCK):
        rest = b"" if text.endswith(b"\n") else file.readline(LONGEST_LINE)
        if len(rest) == LONGEST_LINE:
            raise ValueError(f"a line has more than {LONGEST_LINE} characters")
        if not (text + rest).endswith(b"\n"):
            # The last number may be a part of one.
            raise ValueError("its last line has no end: it ends too early")
        yield text + rest


def _numbers(text: bytes, before: int) -> NDArray[np.float64]:
    """(n, COLUMNS) of lines, of which so many were before. Raises ValueError, with the line."""
    with warnings.catch_warnings():
        # What NumPy says of anything that is no number.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            flat = np.fromstring(text, np.float64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise ValueError(f"{_first_wrong(text, before)} is not {COLUMNS} numbers") from error
    if not flat.size and not text.strip():
        return np.empty((0, COLUMNS))
    if flat.size != COLUMNS * _filled_lines(text):
        raise ValueError(
            f"{_first_wrong(text, before)} is not parent, leaf, the {BYTES} bytes of an ORB "
            "descriptor and weight; other descriptors can't be used"
        )
    table = flat.reshape(-1, COLUMNS)
    whole = table[:, :-1]
    good = (whole >= 0) & (whole == np.floor(whole)) & (whole <= np.iinfo(np.uint8).max)
    good[:, 0] = (whole[:, 0] >= 0) & (whole[:, 0] == np.floor(whole[:, 0]))
    good[:, 0] &= whole[:, 0] <= MOST_NODES
    wrong = np.flatnonzero(~good.all(1))
    if len(wrong):
        row, column = int(wrong[0]), int(np.flatnonzero(~good[wrong[0]])[0])
        raise ValueError(
            f"node {before + row + 1} has {table[row, column]:g} in column {column + 1}"
        )
    return table


def _require_leaves(parents: NDArray[np.int32], leaves: NDArray[np.bool_]) -> None:
    """Nodes that are no words must have children, which a part of a file lacks."""
    has_children = np.zeros(max(len(parents), int(parents.max())) + 1, bool)
    has_children[parents[parents >= 0]] = True
    wrong = np.flatnonzero(has_children[1 : len(leaves) + 1] == leaves)
    if len(wrong):
        node = int(wrong[0]) + 1
        kind = "a word and has" if leaves[wrong[0]] else "no word and has no"
        raise ValueError(f"node {node} is {kind} children: it is damaged, or ends too early")


def _filled_lines(text: bytes) -> int:
    lines = text.count(b"\n")
    blank = text.count(b"\n\n") + text.startswith(b"\n")
    if blank or b"\r" in text:
        return sum(1 for line in text.split(b"\n") if line.strip())
    return lines


def _first_wrong(text: bytes, before: int) -> str:
    filled = (line for line in text.split(b"\n") if line.strip())
    for number, line in enumerate(filled, before + 1):
        parts = line.split()
        if len(parts) != COLUMNS or not all(_is_number(part) for part in parts):
            return f"the line of node {number}"
    return "a line"


def _is_number(part: bytes) -> bool:
    try:
        float(part)
    except ValueError:
        return False
    return True


def _line(parent: int, is_word: bool, descriptor: list[int], weight: float) -> str:
    return f"{parent} {int(is_word)} {' '.join(map(str, descriptor))} {weight:.9g}\n"
