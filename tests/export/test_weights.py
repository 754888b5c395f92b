"""Checkpoints as training programs, downloads and strangers leave them."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

for _module in ("torch", "safetensors"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import safetensors.torch
import torch

from streamvpr.errors import ModelError
from streamvpr.export.weights import read_weights

if TYPE_CHECKING:
    from pathlib import Path

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(7)}


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[k], STATE[k]) for k in STATE)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 7, "best": 0.5},
        {"model": STATE},
        {"model_state_dict": {f"module.{key}": value for key, value in STATE.items()}},
        {"state_dict": {"model": STATE}},
    ],
    ids=["plain", "wrapped", "model", "parallel", "twice"],
)
def test_what_training_programs_write(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert same(read_weights(path).state)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(STATE, path)
    found = read_weights(path)
    assert same(found.state)
    assert (len(found.sha256), found.source) == (64, "weights.safetensors")


def test_half_precision_is_widened(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.ones(2, dtype=torch.float16)}, path)
    assert read_weights(path).state["a"].dtype == torch.float32


class _Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o, 2))])
def test_nothing_that_a_file_carries_is_run(save: Any, tmp_path: Path) -> None:
    path, crater = tmp_path / "weights.pth", tmp_path / "crater"
    save({"a": torch.ones(1), "b": _Bomb(str(crater))}, path)
    with pytest.raises(ModelError, match="could run code"):
        read_weights(path)
    assert not crater.exists()


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ModelError, match=r"save its state_dict\(\) alone"):
        read_weights(path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404", b"PK\x03\x04 cut", b"\x80"])
def test_what_a_failed_download_leaves(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=name) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_cut_off(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    state = {"a": torch.ones(1000)}
    if suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match="no whole"):
        read_weights(path)


@pytest.mark.parametrize("content", [{}, [torch.ones(1)], torch.ones(1), {"lr": 0.1}])
def test_what_holds_no_named_tensors(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match="tensor"):
        read_weights(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read --weights"):
        read_weights(tmp_path)
