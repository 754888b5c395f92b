"""Thresholds that are written to a card, and everything else of it left alone."""

from __future__ import annotations

import os
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from streamvpr.embedding import Threshold
from streamvpr.embedding.card import read_card
from streamvpr.embedding.card_file import write_threshold
from streamvpr.embedding.catalog import bundled_folder
from streamvpr.errors import ConfigError, ModelError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

THRESHOLD = Threshold(value=0.25, without_geometry=0.75, calibrated='from "a.mp4"')
HEAD = 'name = "m"\nlicence = "x"\nsource = "y"\ndimension = 4\n'
INPUT = "[input]\nwidth = 32\nheight = 32\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.touch()
    return path


def rewritten(model: Path, text: str) -> str:
    card = model.with_suffix(".toml")
    card.write_text(text, encoding="utf-8")
    before = tomllib.loads(text)
    assert write_threshold(model, THRESHOLD) == card
    after = tomllib.loads(card.read_text(encoding="utf-8"))
    assert read_card(model).threshold == THRESHOLD
    assert {k: v for k, v in after.items() if k != "threshold"} == {
        k: v for k, v in before.items() if k != "threshold"
    }
    return card.read_text(encoding="utf-8")


def test_old_numbers_give_way_and_all_else_stays_as_it_was_written(model: Path) -> None:
    text = rewritten(
        model,
        f"# mine\n{HEAD}{INPUT}\n[threshold]  # found by hand\nvalue = 0.1\n"
        'calibrated = "by hand"\nnote = "keep"\n\n[lab]\nwho = "é"  # her\n',
    )
    for kept in ("# mine", "[threshold]  # found by hand", 'note = "keep"', 'who = "é"  # her'):
        assert kept in text
    assert 'by hand"' not in text


@pytest.mark.parametrize(
    "text",
    [
        HEAD + INPUT,
        HEAD + "threshold = {value = 0.1}\n" + INPUT,
        HEAD + "threshold.value = 0.1\n" + INPUT,
        HEAD + INPUT + '[threshold]\ncalibrated = """\n[x]\nvalue = 3"""\nother = 1\n',
        HEAD + 'description = """\n[threshold]\n"""\n' + INPUT + "[threshold]\nvalue = 0.1\n",
        HEAD + "[threshold]\n'value' = 0.1\n[threshold.more]\nvalue = 7\n" + INPUT.rstrip(),
    ],
)
def test_every_way_to_write_a_card_is_understood(model: Path, text: str) -> None:
    rewritten(model, text)


def test_twice_is_the_same_as_once_and_the_mode_stays(model: Path) -> None:
    card = model.with_suffix(".toml")
    card.write_text(HEAD + INPUT, encoding="utf-8")
    card.chmod(0o640)
    write_threshold(model, THRESHOLD)
    once = card.read_bytes()
    write_threshold(model, THRESHOLD)
    assert card.read_bytes() == once
    assert card.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in card.parent.iterdir()) == ["m.onnx", "m.toml"]


def test_a_card_that_is_a_link_stays_one(model: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.toml"
    kept.write_text(HEAD + INPUT, encoding="utf-8")
    model.with_suffix(".toml").symlink_to(kept)
    write_threshold(model, THRESHOLD)
    assert model.with_suffix(".toml").is_symlink()
    assert read_card(model).threshold == THRESHOLD


def test_a_model_that_ships_keeps_its_card() -> None:
    shipped = bundled_folder() / "efficientnet-lite0-gem.onnx"
    before = shipped.with_suffix(".toml").read_bytes()
    with pytest.raises(ConfigError, match="--sim-threshold, or copy"):
        write_threshold(shipped, THRESHOLD)
    assert shipped.with_suffix(".toml").read_bytes() == before


def test_a_broken_card_is_not_touched(model: Path) -> None:
    card = model.with_suffix(".toml")
    card.write_text("name = ", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot read the model card"):
        write_threshold(model, THRESHOLD)
    assert card.read_text(encoding="utf-8") == "name = "


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only_is_said_and_leaves_the_card(model: Path) -> None:
    card = model.with_suffix(".toml")
    card.write_text(HEAD + INPUT, encoding="utf-8")
    model.parent.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot write the card"):
            write_threshold(model, THRESHOLD)
    finally:
        model.parent.chmod(0o700)
    assert card.read_text(encoding="utf-8") == HEAD + INPUT


def test_a_disk_that_is_full_is_said_and_leaves_the_card(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = model.with_suffix(".toml")
    card.write_text(HEAD + INPUT, encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copymode", full)
    with pytest.raises(StoreError, match="No space left"):
        write_threshold(model, THRESHOLD)
    assert card.read_text(encoding="utf-8") == HEAD + INPUT
    assert sorted(p.name for p in card.parent.iterdir()) == ["m.onnx", "m.toml"]
