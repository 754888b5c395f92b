"""Vocabularies on disk: this program's own, DBoW2's text, DBoW3's binary, YAML and XML."""

from __future__ import annotations

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from vocabularies import full_tree

from streamvpr.errors import ConfigError, ModelError, StoreError
from streamvpr.retrieval.vocabulary_file import (
    bundled_vocabulary,
    describe_vocabulary,
    read_vocabulary,
    write_vocabulary,
)
from streamvpr.retrieval.vocabulary_tree import VocabularyTree, Weighting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DBOW3_MAGIC = 88877711233


def same(one: VocabularyTree, other: VocabularyTree) -> bool:
    return (
        (one.branching, one.levels, one.weighting)
        == (other.branching, other.levels, other.weighting)
        and np.array_equal(one.parents, other.parents)
        and np.array_equal(one.descriptors, other.descriptors)
        and np.array_equal(one.weights, other.weights)
    )


@pytest.fixture
def tree() -> VocabularyTree:
    return full_tree(4, 3, weighting=Weighting.IDF)


def depth_first(tree: VocabularyTree) -> list[dict[str, Any]]:
    """Nodes as DBoW numbers them: children of a node, then what is below the first of them."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(tree.parents.tolist(), 1):
        children.setdefault(parent, []).append(node)
    words = iter(tree.weights.tolist())
    weight_of = {n: next(words) for n in range(1, tree.nodes + 1) if n not in children}
    made: list[dict[str, Any]] = []

    def visit(node: int, number: int) -> None:
        numbers = []
        for child in children.get(node, []):
            made.append(
                {
                    "number": len(made) + 1,
                    "parent": number,
                    "weight": weight_of.get(child, 0.0),
                    "descriptor": tree.descriptors[child - 1],
                    "word": child in weight_of,
                }
            )
            numbers.append((child, len(made)))
        for child, own in numbers:
            visit(child, own)

    visit(0, 0)
    return made


def dbow2_text(tree: VocabularyTree) -> str:
    """As DBoW2's `saveToTextFile` writes: a space at the end of each line."""
    lines = [f"{tree.branching} {tree.levels}  0 {tree.weighting.value}"]
    for node in depth_first(tree):
        bits = " ".join(map(str, node["descriptor"].tolist()))
        lines.append(f"{node['parent']} {int(node['word'])} {bits}  {node['weight']:.9g}")
    return "\n".join(lines) + "\n"


def dbow3_binary(
    tree: VocabularyTree, *, compressed: bool = False, columns: int = 32, kind: int = 0
) -> bytes:
    """As DBoW3's `toStream` writes."""
    nodes = depth_first(tree)
    parts = [struct.pack("<Q?I", DBOW3_MAGIC, compressed, len(nodes) + 1)]
    parts.append(struct.pack("<4i", tree.branching, tree.levels, 0, tree.weighting.value))
    for node in nodes:
        parts.append(struct.pack("<IId", node["number"], node["parent"], node["weight"]))
        parts.append(struct.pack("<3i", columns, 1, kind) + node["descriptor"].tobytes())
    words = [node["number"] for node in nodes if node["word"]]
    parts.append(struct.pack("<I", len(words)))
    parts += [struct.pack("<II", word, number) for word, number in enumerate(words)]
    return b"".join(parts)


def storage(tree: VocabularyTree, path: Path, *, dbow3: bool, size: int = 32) -> None:
    """As DBoW's `save` writes through OpenCV."""
    file = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    nodes = depth_first(tree)
    file.startWriteStruct("vocabulary", cv2.FILE_NODE_MAP)
    for key, value in (("k", tree.branching), ("L", tree.levels)):
        file.write(key, value)
    file.write("scoringType", 0)
    file.write("weightingType", tree.weighting.value)
    file.startWriteStruct("nodes", cv2.FILE_NODE_SEQ)
    for node in nodes:
        file.startWriteStruct("", cv2.FILE_NODE_MAP | cv2.FILE_NODE_FLOW)
        file.write("nodeId", node["number"])
        file.write("parentId", node["parent"])
        file.write("weight", float(node["weight"]))
        bits = " ".join(map(str, node["descriptor"][:size].tolist())) + " "
        file.write("descriptor", f"dbw3 0 {size} {bits}" if dbow3 else bits)
        file.endWriteStruct()
    file.endWriteStruct()
    file.startWriteStruct("words", cv2.FILE_NODE_SEQ)
    for word, node in enumerate(one for one in nodes if one["word"]):
        file.startWriteStruct("", cv2.FILE_NODE_MAP | cv2.FILE_NODE_FLOW)
        file.write("wordId", word)
        file.write("nodeId", node["number"])
        file.endWriteStruct()
    file.endWriteStruct()
    file.endWriteStruct()
    file.release()


def test_what_ships_is_read() -> None:
    tree = read_vocabulary(bundled_vocabulary())
    assert tree.words > 1000
    assert bundled_vocabulary().stat().st_size < 5_000_000


@pytest.mark.parametrize("name", ["own.npz", "dbow2.txt"])
def test_what_was_written_is_read_again(name: str, tree: VocabularyTree, tmp_path: Path) -> None:
    path = tmp_path / name
    write_vocabulary(tree, path)
    once = path.read_bytes()
    assert same(read_vocabulary(path), tree)
    write_vocabulary(read_vocabulary(path), path)
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path]


def test_the_text_has_a_line_a_node_each_behind_its_parent(
    tree: VocabularyTree, tmp_path: Path
) -> None:
    write_vocabulary(tree, tmp_path / "made.txt")
    head, *lines = (tmp_path / "made.txt").read_text().splitlines()
    assert head == "4 3 0 2"
    assert len(lines) == 4 + 16 + 64
    rows = [line.split() for line in lines]
    assert {len(row) for row in rows} == {35}
    assert all(int(row[0]) < number for number, row in enumerate(rows, 1))
    assert [row[1] for row in rows].count("1") == tree.words
    assert [float(row[-1]) for row in rows if row[1] == "1"] == pytest.approx(tree.weights)


def test_dbow2s_text_is_read(tree: VocabularyTree, tmp_path: Path) -> None:
    path = tmp_path / "ORBvoc.txt"
    path.write_text(dbow2_text(tree))
    read = read_vocabulary(path)
    asked = np.random.default_rng(0).integers(0, 256, (300, 32), np.uint8)
    # Words whose nodes are all on one level have DBoW2's own numbers.
    assert np.array_equal(read.quantise(asked), tree.quantise(asked))
    assert read.weights == pytest.approx(tree.weights)
    assert (read.branching, read.levels, read.weighting) == (4, 3, Weighting.IDF)
    path.write_bytes(b"\n".join([*dbow2_text(tree).encode().splitlines(), b"", b""]))
    assert same(read_vocabulary(path), read)


def test_dbow3s_binary_is_read(tree: VocabularyTree, tmp_path: Path) -> None:
    path = tmp_path / "orbvoc.dbow3"
    path.write_bytes(dbow3_binary(tree))
    assert same(read_vocabulary(path), tree)


@pytest.mark.parametrize("name", ["voc.yml", "voc.xml", "voc.json", "voc.yml.gz"])
@pytest.mark.parametrize("dbow3", [False, True])
def test_what_dbow_wrote_through_opencv_is_read(
    name: str, dbow3: bool, tree: VocabularyTree, tmp_path: Path
) -> None:
    storage(tree, tmp_path / name, dbow3=dbow3)
    assert same(read_vocabulary(tmp_path / name), tree)


def test_a_storage_of_more_than_one_block_is_read_whole(tmp_path: Path) -> None:
    large = full_tree(9, 4)
    storage(large, tmp_path / "voc.yml", dbow3=True)
    assert (tmp_path / "voc.yml").stat().st_size > 1 << 20
    assert same(read_vocabulary(tmp_path / "voc.yml"), large)


def lines_of(tree: VocabularyTree, change: Callable[[list[str]], None]) -> bytes:
    lines = dbow2_text(tree).splitlines()
    change(lines)
    return ("\n".join(lines) + "\n").encode()


def changed(number: int, column: int, value: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        parts = lines[number].split()
        parts[column] = value
        lines[number] = " ".join(parts)

    return change


def as_float_descriptors(lines: list[str]) -> None:
    lines[1:] = [line + " 0.5" for line in lines[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(3, 0, "3"), "node 3 has the parent 3"),
        (changed(3, 1, "1"), "node 3 is a word and has children"),
        (changed(10, 1, "0"), "node 10 is no word and has no children"),
        (changed(3, 0, "-1"), "node 3 has -1"),
        (changed(5, 9, "256"), "node 5 has 256 in column 10"),
        (changed(5, 9, "1.5"), "node 5 has 1.5 in column 10"),
        (changed(5, 9, "nan"), "node 5 has nan in column 10"),
        (changed(5, 9, "bits"), "node 5"),
        (changed(10, -1, "-2"), "weight"),
        (changed(10, -1, "inf"), "weight"),
        (changed(10, -1, "1e300"), "weight"),
        (changed(0, 0, "1"), "k 1"),
        (changed(0, 0, "21"), "k 21"),
        (changed(0, 0, "x"), "neither"),
        (changed(0, 0, "3"), "4 children, and k is 3"),
        (changed(0, 1, "2"), "more levels"),
        (changed(0, 1, "99"), "L 99"),
        (changed(0, 3, "4"), "weighting 4"),
        (as_float_descriptors, "32 bytes of an ORB descriptor"),
        (lambda lines: lines.__setitem__(7, lines[7][:40]), "node 7"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no nodes"),
        (lambda lines: lines.__setitem__(2, "1" * 5000), "can't be used"),
    ],
)
def test_a_text_that_is_none_is_refused_with_the_reason(
    change: Callable[[list[str]], None], said: str, tree: VocabularyTree, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(lines_of(tree, change))
    with pytest.raises(ModelError) as raised:
        read_vocabulary(path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "neither"),
        (b"\x00" * 5000, "neither"),
        (b"PK\x03\x04" + b"\x00" * 100, "damaged"),
        (struct.pack("<Q?I", DBOW3_MAGIC, False, 1 << 31), "nodes"),
        (struct.pack("<Q?I4i", DBOW3_MAGIC, False, 1 << 23, 10, 6, 0, 0), "too early"),
        (b"\x1f\x8b" + b"\x00" * 100, "damaged"),
        (gzip.compress(b"<opencv_storage/>", mtime=0), "no vocabulary"),
        (b"%YAML:1.0\n---\nvocabulary:\n   k: 10\n   L: 5\n", "weightingType"),
        (b"%YAML:1.0\nvocabulary:\n k: 10\n L: 5\n weightingType: 0\n", "0 nodes"),
    ],
)
def test_what_is_no_vocabulary_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=said):
        read_vocabulary(path)


def test_what_dbow3_compressed_is_refused_with_a_way_out(
    tree: VocabularyTree, tmp_path: Path
) -> None:
    (tmp_path / "voc").write_bytes(dbow3_binary(tree, compressed=True))
    with pytest.raises(ModelError, match=r"QuickLZ.*save"):
        read_vocabulary(tmp_path / "voc")


def test_other_descriptors_are_refused(tree: VocabularyTree, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(dbow3_binary(tree, columns=128, kind=5))
    storage(tree, tmp_path / "short.yml", dbow3=True, size=16)
    storage(tree, tmp_path / "brief.yml", dbow3=False, size=16)
    for name in ("binary", "short.yml", "brief.yml"):
        with pytest.raises(ModelError, match="32 bytes"):
            read_vocabulary(tmp_path / name)


@pytest.mark.parametrize("name", ["own.npz", "dbow2.txt", "dbow3", "voc.yml", "voc.yml.gz"])
def test_no_part_of_a_file_is_taken_for_a_whole(
    name: str, tree: VocabularyTree, tmp_path: Path
) -> None:
    whole = tmp_path / name
    if name == "dbow3":
        whole.write_bytes(dbow3_binary(tree))
    elif name.startswith("voc"):
        storage(tree, whole, dbow3=True)
    else:
        write_vocabulary(tree, whole)
    data = whole.read_bytes()
    part = tmp_path / f"part-{name}"
    for share in (0.1, 0.5, 0.9, 0.99):
        part.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ModelError):
            read_vocabulary(part)


def test_a_text_that_lacks_whole_lines_lacks_children(tree: VocabularyTree, tmp_path: Path) -> None:
    lines = dbow2_text(tree).splitlines(keepends=True)
    path = tmp_path / "part.txt"
    for kept in (3, 20, len(lines) - 4):
        path.write_text("".join(lines[:kept]))
        with pytest.raises(ModelError, match="is no word and has no children"):
            read_vocabulary(path)


def npz(**arrays: Any) -> bytes:
    made = io.BytesIO()
    np.savez(made, **arrays)
    return made.getvalue()


def arrays(tree: VocabularyTree) -> dict[str, Any]:
    return {
        "shape": np.array([1, 4, 3, 0], np.int32),
        "children": tree.children.astype(np.uint8),
        "descriptors": tree.descriptors,
        "weights": tree.weights,
    }


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("shape", np.array([2, 4, 3, 0], np.int32), "version"),
        ("shape", np.array([1, 4, 3, 9], np.int32), "weighting"),
        ("shape", np.array([1, 4, 3], np.int32), "four numbers"),
        ("shape", np.array([1, 4, 2, 0], np.int32), "levels"),
        ("children", np.zeros(85, np.uint8), "children"),
        ("children", np.ones(85, np.int64), "children"),
        ("descriptors", np.zeros((84, 16), np.uint8), "32 bytes"),
        ("descriptors", np.zeros((83, 32), np.uint8), "nodes"),
        ("weights", np.zeros(63, np.float32), "weights"),
        ("weights", np.full(64, np.nan, np.float32), "weight"),
        ("weights", np.array([{}], object), "weights"),
    ],
)
def test_an_npz_with_other_arrays_is_refused(
    name: str, array: Any, said: str, tree: VocabularyTree, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.npz"
    path.write_bytes(npz(**arrays(tree) | {name: array}))
    with pytest.raises(ModelError, match=said):
        read_vocabulary(path)


def test_an_npz_that_claims_more_than_it_has_gets_no_memory(
    tree: VocabularyTree, tmp_path: Path
) -> None:
    path = tmp_path / "claims.npz"
    path.write_bytes(npz(**arrays(tree)))
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    old, new = b"(84, 32), }", b"(9999999999999, 32), }"
    claimed = parts["descriptors.npy"].replace(old + b" " * (len(new) - len(old)), new)
    assert claimed != parts["descriptors.npy"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (parts | {"descriptors.npy": claimed}).items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="descriptors"):
        read_vocabulary(path)


@pytest.mark.parametrize("name", ["own.npz", "dbow2.txt", "dbow3", "voc.yml", "voc.xml"])
def test_a_damaged_file_is_refused_or_a_tree(name: str, tmp_path: Path) -> None:
    tree = full_tree(3, 2)
    whole = tmp_path / name
    if name == "dbow3":
        whole.write_bytes(dbow3_binary(tree))
    elif name.startswith("voc"):
        storage(tree, whole, dbow3=True)
    else:
        write_vocabulary(tree, whole)
    data = whole.read_bytes()
    chance = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in chance.integers(0, len(data), chance.integers(1, 6)).tolist():
            damaged[place] = int(chance.choice([0, 32, 45, 48, 57, 127, 255]))
        whole.write_bytes(damaged)
        try:
            read = read_vocabulary(whole)
        except ModelError:
            refused += 1
        else:
            # Another number somewhere is one, too.
            words = read.quantise(tree.descriptors)
            assert ((words >= 0) & (words < read.words)).all()
    assert refused > 15


def test_a_file_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.npz: No such file"):
        read_vocabulary(tmp_path / "nowhere.npz")
    with pytest.raises(ModelError, match="directory"):
        read_vocabulary(tmp_path)


def test_only_two_endings_are_written_and_into_folders_that_exist(
    tree: VocabularyTree, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\.npz or \.txt"):
        write_vocabulary(tree, tmp_path / "voc.yml")
    with pytest.raises(StoreError, match="cannot write"):
        write_vocabulary(tree, tmp_path / "nowhere" / "voc.npz")


def test_what_is_said_of_a_file_is_what_it_holds(tree: VocabularyTree, tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    tree.weights[:5] = 0
    write_vocabulary(tree, path)
    said = describe_vocabulary(path).as_json()
    assert (said["k"], said["L"], said["words"], said["nodes"]) == (4, 3, 64, 84)
    assert (said["weighting"], said["stopped"]) == ("idf", 5)
    assert said["bytes"] == path.stat().st_size
    assert len(said["sha256"]) == 64


@pytest.mark.timeout(240)
def test_orb_slams_million_words_are_read_in_seconds(tmp_path: Path, long: bool) -> None:
    """k 10, L 6 (147 MB) with --long, else L 4; in a process of its own, for its memory."""
    levels = 6 if long else 4
    path = tmp_path / "ORBvoc.txt"
    write_vocabulary(full_tree(10, levels), path)
    code = (
        "import json, resource, sys, time\n"
        "from pathlib import Path\n"
        "from streamvpr.retrieval.vocabulary_file import read_vocabulary\n"
        "def used(): return resource.getrusage(resource.RUSAGE_SELF)\n"
        "begun, before = time.process_time(), used().ru_maxrss\n"
        "words = read_vocabulary(Path(sys.argv[1])).words\n"
        "print(json.dumps([words, time.process_time() - begun, used().ru_maxrss - before]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, check=True, timeout=200
    )
    words, seconds, kilobytes = json.loads(done.stdout)
    assert words == 10**levels
    # A million took 9 s and 230 MB.
    assert seconds < (15 if long else 1)
    assert kilobytes < (900_000 if long else 60_000)
