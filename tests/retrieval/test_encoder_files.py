"""Files of encoders: what was written is read, and what was not is refused in one line."""

from __future__ import annotations

import contextlib
import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from streamvpr.embedding.catalog import bundled_folder
from streamvpr.errors import ModelError, StoreError
from streamvpr.frames import FeatureKind
from streamvpr.retrieval.encoders import read_encoder
from streamvpr.retrieval.parameters import MOST_BYTES, read_parameters, write_parameters

from .scenes import DESCRIBING, NAMES, features, learned

every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(params=NAMES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "encoder.npz"
    write_parameters(path, learned(request.param).parameters())
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        read_encoder(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 120
    return message


def changed(path: Path, **arrays: object) -> Path:
    with np.load(path, allow_pickle=False) as kept:
        every = dict(kept)
    for name, array in arrays.items():
        if array is None:
            every.pop(name)
        else:
            every[name] = np.asarray(array)
    np.savez_compressed(path, **every)
    return path


def packed(path: Path, content: bytes, name: str = "version.npy") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


@every
@pytest.mark.parametrize("kind", [FeatureKind.SIFT, FeatureKind.ORB])
def test_what_was_written_is_read(name: str, kind: FeatureKind, tmp_path: Path) -> None:
    encoder = learned(name, kind)
    write_parameters(tmp_path / "encoder.npz", encoder.parameters())
    found = read_encoder(tmp_path / "encoder.npz")
    assert (found.name, found.kind, found.dimension) == (name, kind, encoder.dimension)
    picture = features(100, 0, kind)
    one, other = found.describe(picture), encoder.describe(picture)
    assert (one @ other if name in DESCRIBING else one.similarity(other)) > 0.99


@every
def test_the_same_parameters_are_the_same_bytes(name: str, tmp_path: Path) -> None:
    paths = [tmp_path / "one.npz", tmp_path / "other.npz"]
    for path in paths:
        write_parameters(path, learned(name).parameters())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    # What was read and is written again, too.
    write_parameters(paths[1], read_encoder(paths[0]).parameters())
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("name", [*NAMES, "vlad-orb"])
def test_what_ships_is_small_and_of_the_kind_that_it_says(name: str) -> None:
    path = bundled_folder() / f"{name}.npz"
    assert path.stat().st_size < 1_200_000
    kind = FeatureKind.ORB if name.endswith("-orb") else FeatureKind.SIFT
    encoder = read_encoder(path)
    assert (encoder.name, encoder.kind) == (name.removesuffix("-orb"), kind)


def seen_by(path: Path) -> tuple[str, bytes]:
    """What the encoder of a file makes of a picture, and how like itself it is to it."""
    encoder = read_encoder(path)
    signature = encoder.describe(features(100))
    index = encoder.open_index(3)
    index.add(signature)
    return repr(signature), index.scores(encoder.describe(features(100, 1))).tobytes()


def test_damaged_files_are_refused_or_the_same(file: Path) -> None:
    whole, wanted = file.read_bytes(), seen_by(file)
    chance = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in chance.integers(0, len(whole), 3):
            damaged[at] ^= int(chance.integers(1, 256))
        file.write_bytes(damaged)
        # What is read all the same has another date, say: nothing that is computed with.
        with contextlib.suppress(ModelError):
            assert seen_by(file) == wanted


def test_truncated_files_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    for length in [0, 1, 3, 4, 30, *range(100, len(whole), len(whole) // 40), len(whole) - 1]:
        file.write_bytes(whole[:length])
        refused(file)


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("vlad", {"centres": None}),
        ("vlad", {"centres": np.ones((16, 15), np.float16)}),
        ("vlad", {"centres": np.ones((0, 16), np.float16)}),
        ("vlad", {"centres": np.ones((16, 16), np.int32)}),
        ("vlad", {"centres": np.full((16, 16), np.nan, np.float16)}),
        ("vlad", {"centres": np.ones((2, 16, 16), np.float16)}),
        ("vlad", {"local_axes": np.full((16, 128), np.inf, np.float16)}),
        ("vlad", {"local_axes": np.ones((16, 127), np.float16)}),
        ("vlad", {"local_mean": np.ones(127, np.float16)}),
        ("fisher", {"blocks": np.full(63, 8, np.uint16)}),
        ("fisher", {"blocks": np.zeros(62, np.uint16)}),
        ("fisher", {"blocks": np.zeros(63, np.float16)}),
        ("vlad", {"kind": "orb"}),
        ("vlad", {"kind": "surf"}),
        ("vlad", {"kind": None}),
        ("vlad", {"name": "bow"}),
        ("vlad", {"name": "x" * 10_000}),
        ("vlad", {"name": "two\nlines"}),
        ("vlad", {"version": np.int32(2)}),
        ("vlad", {"version": np.ones(3, np.int32)}),
        ("vlad", {"version": None}),
        ("fisher", {"variances": np.zeros((8, 16), np.float16)}),
        ("fisher", {"weights": np.zeros(8, np.float16)}),
        ("fisher", {"means": np.zeros((9, 16), np.float16)}),
        ("fisher", {"local_mean": np.zeros(127, np.float16)}),
        ("bow", {"rarities": np.full(100, -1, np.float16)}),
        ("bow", {"rarities": np.full(99, 1, np.float16)}),
    ],
)
def test_what_does_not_fit_is_refused(name: str, arrays: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "encoder.npz"
    write_parameters(path, learned(name).parameters())
    refused(changed(path, **arrays))


class Harm:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("harmed",)


def test_no_code_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "encoder.npz"
    np.savez(path, version=np.array([Harm()], object))
    refused(path)
    assert not Path("harmed").exists()


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin1")


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }\n",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (10000000000,), }\n",
        "(" * 4000 + "\n",
        "[" * 60 + "]" * 60,
        "__import__('os').mkdir('harmed')\n",
        "",
    ],
)
def test_hostile_headers_are_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(packed(tmp_path / "encoder.npz", header(text) + bytes(4)))
    assert not Path("harmed").exists()


def refused_in_little_memory(path: Path) -> None:
    tracemalloc.start()
    try:
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES / 8
    finally:
        tracemalloc.stop()


def test_no_room_is_made_for_what_a_header_claims(tmp_path: Path) -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (50000000,), }\n"
    refused_in_little_memory(packed(tmp_path / "encoder.npz", header(text) + bytes(4)))


def test_what_unpacks_to_very_much_is_not_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "encoder.npz", bytes(MOST_BYTES + 1))
    assert path.stat().st_size < 200_000
    refused_in_little_memory(path)
    claims_less = path.read_bytes().replace(
        (MOST_BYTES + 1).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    )
    path.write_bytes(claims_less)
    refused(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.npz"
    refused(path)
    refused(tmp_path)
    path.write_bytes(b"no archive" * 100)
    refused(path)
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    path.write_bytes(buffer.getvalue())
    refused(path)
    with path.open("wb") as huge:
        huge.truncate(MOST_BYTES + 1)
    refused(path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        write_parameters(tmp_path / "none/encoder.npz", learned("bow").parameters())


def test_fractions_are_stored_as_halves(file: Path) -> None:
    arrays = read_parameters(file).arrays.values()
    assert {a.dtype.name for a in arrays} <= {"float16", "uint16"}
