"""Mutated inputs in small: the same ones each time, and nothing undocumented comes of them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from mutations import BINARY_CHANGES, MOST_BYTES, TEXT_CHANGES, mutated

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SEEDS = [bytes(range(256)) * 4, b'key = [1, "two"]\nother = 3\n', b""]


def fuzz(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(TOOLS / "fuzz.py"), *map(str, arguments)]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=170)


@pytest.mark.parametrize("text", [True, False])
def test_a_mutation_depends_on_its_number_alone(text: bool) -> None:
    made = [mutated(random.Random(n), SEEDS, text=text) for n in range(200)]
    assert made == [mutated(random.Random(n), SEEDS, text=text) for n in range(200)]
    assert len(set(made)) > 100
    assert max(map(len, made)) <= MOST_BYTES


@pytest.mark.parametrize("change", [*BINARY_CHANGES, *TEXT_CHANGES], ids=lambda one: one.__name__)
def test_each_change_takes_whatever_comes_and_changes_something(change: object) -> None:
    made = [(seed, change(random.Random(n), seed)) for n in range(30) for seed in SEEDS]  # type: ignore[operator]
    assert any(before != after for before, after in made)


@pytest.mark.timeout(180)  # some 15 s, but of a machine that has nothing else to do
def test_nothing_undocumented_comes_of_some(tmp_path: Path) -> None:
    for name in ("onnxruntime", "yaml", "starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(name, reason="all that strangers can send needs cpu, camera and web")
    done = fuzz("--runs", 70, "--seed", 5, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["inputs"], found["bad"], found["faults"]) == (70, 0, [])
    targets = found["targets"]
    assert len(targets) == 14
    assert all(tally["inputs"] == tally["well"] + tally["documented"] for tally in targets.values())
    assert targets["video"]["well"] > 0
    assert targets["settings"]["documented"] > 0


@pytest.mark.timeout(120)
def test_what_goes_wrong_is_told_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    broken = (
        "import sys, fuzz, fuzz_targets, streamvpr.cli\n"
        "def fail(case): raise KeyError('oops')\n"
        "fuzz_targets._truth = fail\n"
        "sys.argv[1:] = ['--target', 'truth', '--only', '7', '--output', sys.argv[1]]\n"
        "sys.exit(fuzz.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken, str(tmp_path / "kept")],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        cwd=TOOLS,
    )
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["bad"], found["targets"]["truth"]["undocumented"]) == (1, 1)
    again = (tmp_path / "kept/truth-7/again.txt").read_text(encoding="utf-8")
    assert again.startswith("python tools/fuzz.py --target truth --only 7 --seed 1\n")
    assert "KeyError" in again
