"""The page on the API: every public name, its parameters, and examples that run."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import cv2
import pages
import pytest

import streamvpr
from streamvpr import demo
from streamvpr.media import encode_video

if TYPE_CHECKING:
    from pathlib import Path

PAGE = pages.read("docs/api.md")
CAMERA = """\
image_width: 320
image_height: 240
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
camera_matrix: {rows: 3, cols: 3, data: [250, 0, 159.5, 0, 250, 119.5, 0, 0, 1]}
"""


def test_every_public_name_stands_there() -> None:
    named = set(re.findall(r"`(?:streamvpr\.)?(\w+)(?:\(.*?\))?`", PAGE))
    assert set(streamvpr.__all__) <= named


def test_parameters_of_functions_are_theirs() -> None:
    told = dict(re.findall(r"^\| `(\w+)\(([^)]*)\)`", PAGE, re.MULTILINE))
    told["list_models"] = ""
    functions = {n for n in streamvpr.__all__ if inspect.isfunction(getattr(streamvpr, n))}
    assert set(told) == functions
    for name, parameters in told.items():
        real = inspect.signature(getattr(streamvpr, name)).parameters
        assert [p.strip(" *") for p in parameters.split(",") if p] == list(real), name


@pytest.mark.parametrize("owner", ["Embedder", "PlaceDatabase", "Verifier", "MapReader", "Sink"])
def test_methods_that_are_named_are_there(owner: str) -> None:
    (row,) = re.findall(rf"^\| `{owner}`.* \|$", PAGE, re.MULTILINE)
    kind = getattr(streamvpr, owner)
    for method, parameters in re.findall(r"`(\w+)\((.*?)\)`", row):
        if method == "len":
            continue
        real = list(inspect.signature(getattr(kind, method)).parameters)[1:]
        assert [p.strip() for p in parameters.split(",") if p] == real, method


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the examples find."""
    frames = (cv2.resize(frame, (320, 240)) for frame in demo.flight())
    encode_video(tmp_path / "flight.mp4", frames, fps=demo.FPS)
    (tmp_path / "camera.yaml").write_text(CAMERA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__example__"}
    said = []
    for block in pages.blocks(PAGE, "python"):
        exec(compile(block, "docs/api.md", "exec"), names)
        said.append(capsys.readouterr().out.splitlines())
    closures, decisions, parts, edges, revisits = said
    assert closures
    assert len(decisions) == demo.FLIGHT_SECONDS * 2
    assert sum(" accepted " in line for line in decisions) == len(closures)
    assert parts
    assert all(float(line.split()[0]) >= demo.LAP_SECONDS - 2 for line in parts)
    (edge,) = edges
    assert len(edge.split()) == 1 + 2 + 7 + 21
    assert revisits == [f"1 revisits in {len(decisions)} frames"]
