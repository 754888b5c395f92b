"""Runs that are killed while they write a map, in small; and what a map costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from map_kills import Kills

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(TOOLS / name), *map(str, arguments)]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=50)


def test_killed_runs_lose_nothing_that_is_older_than_a_second(
    flight: Any, tiny_model: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    options = ["--model", tiny_model, "--fps", 0]
    done = tool("map_kills.py", flight.path, "--runs", 3, "--longest", 0.3, "--", *options)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert (kills["runs"], kills["lost"], kills["broken"], kills["faults"]) == (3, 0, 0, [])


def test_a_run_that_fails_is_no_kill(flight: Any) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    done = tool("map_kills.py", flight.path, "--runs", 1, "--", "--model", "nowhere.onnx")
    assert done.returncode == 1
    assert "a run ended with 3: streamvpr: error: " in done.stderr


def test_what_is_lost_or_broken_is_no_success() -> None:
    assert Kills(runs=3, killed=3, promised=9).good
    assert not Kills(runs=3, lost=1).good
    assert not Kills(runs=3, broken=1).good


def test_what_a_map_costs() -> None:
    done = tool("map_speed.py", "--places", 300, "--features", 20, "--thumbnail", 100)
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1].split("|")[1:-1]
    assert row[0].strip() == "300"
    assert all(float(figure) > 0 for figure in row[2:5])
