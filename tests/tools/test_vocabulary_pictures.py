"""What the bundled vocabulary is trained on, and the tool that trains it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import train_vocabulary
import vocabulary_pictures
from vocabulary_pictures import PHOTOGRAPHS, dead_leaves, pictures

from streamvpr.retrieval.vocabulary_file import read_vocabulary

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Made-up ones under the names of the real ones, and few views of each."""
    folder = tmp_path / "data"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for photograph in PHOTOGRAPHS:
        coarse = chance.integers(0, 256, (20, 30, 3), np.uint8)
        cv2.imwrite(
            str(folder / photograph.file),
            cv2.resize(coarse, (300, 200), interpolation=cv2.INTER_NEAREST),
        )
    monkeypatch.setattr(vocabulary_pictures, "photographs_folder", lambda: folder)
    monkeypatch.setattr(vocabulary_pictures, "VIEWS_OF_A_PHOTOGRAPH", 2)
    monkeypatch.setattr(vocabulary_pictures, "VIEWS_OF_THE_GROUND", 2)
    monkeypatch.setattr(vocabulary_pictures, "DEAD_LEAVES", 2)
    monkeypatch.setattr(vocabulary_pictures, "STRETCHES", 1)
    # The real one takes seconds.
    ground = cv2.resize(chance.integers(0, 256, (90, 120, 3), np.uint8), (960, 720))
    monkeypatch.setattr(vocabulary_pictures.demo, "make_ground", lambda: ground)
    return folder


@pytest.mark.usefixtures("photographs")
def test_pictures_have_names_of_their_own_and_are_the_same_for_one_seed() -> None:
    made = list(pictures(0))
    names = [name for name, _ in made]
    assert len(set(names)) == len(names) == 3 * len(PHOTOGRAPHS) + 2 + 5 + 2
    assert all(luma.dtype == np.uint8 and luma.ndim == 2 for _, luma in made)
    assert all(luma.std() > 5 for _, luma in made)
    again, other = dict(pictures(0)), dict(pictures(1))
    assert all(np.array_equal(luma, again[name]) for name, luma in made)
    assert not np.array_equal(other["leaves 0"], again["leaves 0"])


def test_leaves_of_many_sizes_hide_the_ground() -> None:
    leaves = dead_leaves(np.random.default_rng(0))
    assert leaves.shape == (480, 640)
    coarse = cv2.resize(leaves, (32, 24), interpolation=cv2.INTER_AREA)
    # What is alike over hundreds of pixels, and what is not over a few.
    assert coarse.std() > 10
    assert np.abs(np.diff(leaves.astype(int), axis=1)).mean() > 3


def test_without_the_photographs_the_tool_says_what_to_install(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photographs / PHOTOGRAPHS[0].file).unlink()
    assert train_vocabulary.main([str(tmp_path / "made.npz")]) == 1
    assert "pip install scikit-image" in capsys.readouterr().err


@pytest.mark.usefixtures("photographs")
def test_the_tool_writes_a_vocabulary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made.npz"
    assert train_vocabulary.main([str(made), "--branching", "5", "--levels", "2"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["words"] == read_vocabulary(made).words == 25
