"""What the README says is what the program does."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pages
import pytest
from options_page import read_groups

from streamvpr.cli import app

if TYPE_CHECKING:
    from pathlib import Path

README = pages.read("README.md")


def test_no_table_has_an_option_that_is_gone() -> None:
    rows = "".join(row for row in pages.rows(README) if row.startswith("`--"))
    known = {name for _, group in read_groups(app["run"]) for o in group for name in o.names}
    known |= {name for _, group in read_groups(app.meta) for o in group for name in o.names}
    named = set(re.findall(r"--[a-z-]+", rows))
    assert len(named) > 10
    assert named <= known


def test_every_command_of_the_program_is_listed() -> None:
    named = set(re.findall(r"`streamvpr ([a-z]+)", "".join(pages.rows(README))))
    assert named == {name for name in app if not name.startswith("-")}


def test_it_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) < 180


def test_the_set_up_is_two_commands() -> None:
    assert len(re.findall(r"^ {4}python3 -m venv", README, re.MULTILINE)) == 2


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


def test_all_that_the_demo_leaves_is_explained(demo: tuple[list[str], Path]) -> None:
    left = {path.name for path in (demo[1] / "streamvpr-demo").iterdir()} - {"flight.mp4"}
    folder = pages.section(pages.read("docs/output.md"), "The output folder")
    assert {f"`{name}`" for name in left} <= set(pages.rows(folder))


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
