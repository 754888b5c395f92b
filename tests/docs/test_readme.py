"""What the README says is what the program does."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamvpr.config import BenchOptions, DestinationOptions, MatchOptions, RunOptions
from streamvpr.frames import Verdict
from streamvpr.records import LoopClosure

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def documented_options() -> set[str]:
    rows = re.findall(r"^\| (`--.*?) \|", README, re.MULTILINE)
    return {option for row in rows for option in re.findall(r"--[a-z-]+", row)}


@pytest.mark.parametrize("options", [RunOptions, MatchOptions, BenchOptions, DestinationOptions])
def test_every_option_stands_in_a_table(options: type) -> None:
    names = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(options)}
    assert names <= documented_options()


def test_no_table_has_an_option_that_is_gone() -> None:
    fields = {
        field
        for options in (BenchOptions, MatchOptions, DestinationOptions)
        for field in dataclasses.fields(options)
    }
    known = {"--" + field.name.replace("_", "-") for field in fields}
    assert documented_options() <= known | {"--config", "--log-level", "--quiet"}


def test_every_field_of_a_closure_is_explained() -> None:
    fields = set(LoopClosure.__struct_fields__)
    explained = set(re.findall(r"`([a-z_]+)`", README))
    assert fields <= explained


def test_every_decision_is_explained() -> None:
    assert {verdict.value for verdict in Verdict} <= set(re.findall(r"`([a-z_]+)`", README))


def test_every_command_of_the_program_is_listed() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "streamvpr", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = set(re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE))
    assert commands == set(re.findall(r"^    streamvpr ([a-z]+)", README, re.MULTILINE)) & commands


def test_links_and_pictures_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "streamvpr", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines(), folder


def test_the_demo_prints_the_lines_of_the_first_screen(demo: tuple[list[str], Path]) -> None:
    shown = [line.strip() for line in README.splitlines() if line.startswith('    {"type":')]
    assert len(demo[0]) == len(shown)
    for printed, promised in zip(demo[0], shown, strict=True):
        assert_alike(json.loads(printed), json.loads(promised))


def test_the_demo_leaves_the_pictures_that_it_names(demo: tuple[list[str], Path]) -> None:
    results = demo[1] / "streamvpr-demo"
    closures = json.loads((results / "loop_closures.json").read_text())
    assert closures == [json.loads(line) for line in demo[0]]
    assert len(list((results / "matches").glob("*.jpg"))) == len(closures)
    assert (results / "similarity_plot.png").read_bytes().startswith(b"\x89PNG")


def assert_alike(printed: dict[str, object], promised: dict[str, object]) -> None:
    """The same fields in the same order; the last digits are the processor's own."""
    assert list(printed) == list(promised)
    for key, value in promised.items():
        if key == "inliers":
            assert printed[key] == pytest.approx(value, rel=0.1), key
        elif key == "homography":
            assert printed[key] == pytest.approx(value, rel=0.02, abs=2), key
        elif isinstance(value, float) and math.isfinite(value):
            assert printed[key] == pytest.approx(value, abs=2e-3), key
        else:
            assert printed[key] == value, key
