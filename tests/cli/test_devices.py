"""Devices and models that cannot be used: one line, exit 3, and not a word of ONNX Runtime's own.

In processes of their own, so that what C++ writes to the file descriptors is seen.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.embedding import available_devices
from streamvpr.embedding.gpu import find_gpu
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def only_line(result: Any) -> str:
    """The one line that a failed command says."""
    assert (result.code, result.out) == (3, b"")
    (line,) = result.err.splitlines()
    assert line.startswith("streamvpr: error: ")
    return str(line)


@pytest.fixture
def _no_gpu() -> None:
    try:
        gpu = find_gpu()
    except ModelError:
        return
    pytest.skip(f"a GPU works here: {gpu.name}")


@pytest.mark.usefixtures("_no_gpu")
class TestDevices:
    @pytest.mark.parametrize("device", ["cuda", "tensorrt"])
    def test_a_device_that_is_not_here_names_the_remedy(
        self, process: Make, flight: Any, tiny_model: Path, device: str
    ) -> None:
        line = only_line(process("run", flight.path, "--model", tiny_model, "--device", device))
        assert f"device {device}" in line
        gpu_build = device in available_devices()
        assert ("NVIDIA driver" if gpu_build else "pip install 'streamvpr[gpu]'") in line

    def test_engines_that_cannot_be_built(self, process: Make) -> None:
        line = only_line(process("models", "--build-engines"))
        assert "device tensorrt" in line

    def test_auto_says_what_it_took_and_why(
        self, process: Make, flight: Any, tiny_model: Path
    ) -> None:
        result = process("run", flight.path, "--model", tiny_model)
        assert result.code == 0
        (line,) = [x for x in result.err.splitlines() if "model tiny" in x]
        assert line.startswith("streamvpr: model tiny on cpu (not on cuda: ")


def junk(model: Path) -> None:
    model.write_bytes(b"no model at all\n" * 99)


def cut(model: Path) -> None:
    data = model.read_bytes()
    model.write_bytes(data[: len(data) // 2])


def empty(model: Path) -> None:
    model.write_bytes(b"")


def unlink(model: Path) -> None:
    model.unlink()
    model.symlink_to(model)


def unread(model: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    model.chmod(0)


class TestModels:
    @pytest.mark.parametrize("card", ["", None], ids=["card", "bare"])
    @pytest.mark.parametrize("spoil", [junk, cut, empty, unlink, unread])
    def test_a_file_that_is_no_model(
        self,
        process: Make,
        flight: Any,
        make_model: Make,
        spoil: Callable[[Path], None],
        card: str | None,
    ) -> None:
        model = make_model(card)
        spoil(model)
        line = only_line(process("run", flight.path, "--model", model))
        assert str(model) in line

    @pytest.mark.parametrize(
        ("card", "graph", "named"),
        [
            ("", {"dtype": "float32"}, "input.mean"),
            ("", {"normalise": False}, "normalised = false"),
            ("", {"opset": 99}, "opset"),
            ("", {"height": 48}, "height 32"),
            ("", {"always": float("nan")}, "not finite"),
            ('output = "x"', {}, "'x'"),
            ("input.mean = [nan, 0, 0]", {}, "mean"),
            (None, {"dtype": "float32", "layout": "nchw"}, "input.mean = [123.675"),
        ],
    )
    def test_a_model_that_does_not_fit(
        self,
        process: Make,
        flight: Any,
        make_model: Make,
        card: str | None,
        graph: dict[str, Any],
        named: str,
    ) -> None:
        line = only_line(process("run", flight.path, "--model", make_model(card, **graph)))
        assert named in line

    def test_one_that_cannot_be_used_is_listed_with_the_reason(
        self, process: Make, make_model: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = make_model(dtype="float32")
        unlink(make_model(name="loop"))
        monkeypatch.setenv("STREAMVPR_MODELS", str(model.parent))
        result = process("models", "--json")
        assert result.code == 0
        models = [line for line in result.lines if line["type"] == "model"]
        errors = {line["name"]: line["error"] for line in models}
        assert "input.mean" in errors["made"]
        assert "loop.onnx" in errors["loop"]

    def test_a_model_of_another_kind_finds_the_same_loops(
        self, process: Make, flight: Any, make_model: Make
    ) -> None:
        card = "input.mean = [127.0, 127.0, 127.0]\ninput.std = [50.0, 50.0, 50.0]\n"
        thresholds = "threshold.value = 0.5"
        model = make_model(card + thresholds, dtype="float32", layout="nchw", batch=4)
        result = process("run", flight.path, "--model", model, "--fps", 0, "--top-k", 1)
        assert result.code == 0
        assert len(result.lines) == 12
