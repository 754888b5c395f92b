"""`streamvpr doctor` where all is well, and where things are missing."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.sources.hardware import CODECS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

CHECKS = (
    *("streamvpr", "platform", "packages", "onnxruntime", "extra export", "cores", "free-memory"),
    *("decode", "model", "speed", "models", "geometry", "memory"),
    *("device cpu", "device cuda", "device tensorrt"),
    *(f"codec {codec}" for codec in CODECS),
)
FIELDS = {"name", "works", "detail", "needed", "exit_code", "remedy", "values"}
LONGEST_LINE = 200


class TestDoctor:
    def test_it_proves_what_works(self, cli: Make) -> None:
        result = cli("doctor", "--json", "--threads", 1)
        assert result.code == 0
        found = {line["name"]: line for line in result.lines}
        assert set(CHECKS) <= set(found)
        assert all(set(line) == FIELDS for line in result.lines)
        assert not [line for line in result.lines if line["needed"] and not line["works"]]
        for name in ("decode", "model", "speed", "geometry", "memory"):
            assert found[name]["works"] is True
        assert "bytes" in found["memory"]["detail"]
        assert found["memory"]["values"]["feature_bytes"].keys() == {"orb", "sift", "xfeat"}
        assert "its picture (--output-dir, --serve) 75,000" in found["memory"]["detail"]
        assert list(found["speed"]["values"]) == ["1", "4", "8", "16"]

    def test_a_remedy_is_a_command(self, cli: Make, tiny_model: Path) -> None:
        lines = cli("doctor", "--json", "--model", tiny_model).lines
        remedies = [line["remedy"] for line in lines if line["remedy"] is not None]
        assert {shlex.split(remedy)[0] for remedy in remedies} <= {"pip", "streamvpr"}
        assert not [line for line in lines if line["works"] and line["remedy"]]

    def test_lines_for_people_are_not_too_long(self, cli: Make, tiny_model: Path) -> None:
        result = cli("doctor", "--model", tiny_model)
        assert result.code == 0
        assert f"({tiny_model})" in result.out.decode()
        assert max(map(len, result.out.decode().splitlines())) <= LONGEST_LINE

    def test_a_model_that_is_not_there_is_exit_code_3(self, cli: Make) -> None:
        result = cli("doctor", "--json", "--model", "no-such-model")
        assert result.code == 3
        found = {line["name"]: line for line in result.lines}
        assert set(CHECKS) <= set(found)
        assert found["model"]["works"] is False
        assert "no-such-model" in found["model"]["detail"]

    def test_without_onnx_runtime(self, process: Make, tmp_path: Path) -> None:
        stub = tmp_path / "onnxruntime.py"
        stub.write_text("raise ImportError('libonnxruntime.so: not for this machine')\n")
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        result = process("doctor", "--json", env={**os.environ, "PYTHONPATH": path})
        assert (result.code, result.err) == (2, "")
        found = {line["name"]: line for line in result.lines}
        assert set(CHECKS) <= set(found)
        for name in ("onnxruntime", "model", "device cpu"):
            assert found[name]["works"] is False
        assert "not for this machine" in found["onnxruntime"]["detail"]
        assert "pip install 'streamvpr[" in found["onnxruntime"]["remedy"]
        assert found["decode"]["works"] is found["geometry"]["works"] is True

    @pytest.mark.parametrize("command", ["doctor", "models"])
    def test_torch_is_not_imported(self, command: str, tiny_model: Path) -> None:
        code = (
            "import sys; from streamvpr.cli import run_command;"
            f"run_command([{command!r}, '--json']);"
            "print(*sorted({'torch', 'torchvision', 'onnx'} & set(sys.modules)), file=sys.stderr)"
        )
        env = {**os.environ, "STREAMVPR_MODELS": str(tiny_model.parent)}
        line = [sys.executable, "-c", code]
        done = subprocess.run(line, capture_output=True, text=True, check=True, env=env)
        assert done.stderr.split() == []
