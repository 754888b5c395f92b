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

from streamvpr.bench import Report
from streamvpr.config import (
    BenchOptions,
    CalibrateOptions,
    DescribingOptions,
    DestinationOptions,
    MatchOptions,
    RunOptions,
)
from streamvpr.earth import distance
from streamvpr.export import ExportOptions
from streamvpr.frames import Position, StreamState, Verdict
from streamvpr.networks import NETWORKS
from streamvpr.records import Health, LoopClosure, Stream
from streamvpr.sources.positions.dji import read_srt

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


@pytest.mark.parametrize(
    ("options", "base"), [(ExportOptions, None), (CalibrateOptions, DescribingOptions)]
)
def test_every_option_of_other_commands_stands_in_the_page_on_models(
    options: type, base: type | None
) -> None:
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`--.*?) \|", page, re.MULTILINE)
    documented = {option for row in rows for option in re.findall(r"--[a-z0-9-]+", row)}
    inherited = {field.name for field in dataclasses.fields(base)} if base else set()
    own = {field.name for field in dataclasses.fields(options)} - inherited
    assert {"--" + name.replace("_", "-") for name in own} <= documented


def test_every_network_is_named() -> None:
    listed = README + (ROOT / "docs/models.md").read_text(encoding="utf-8")
    for network in NETWORKS:
        assert network.name.removesuffix("-gem").split("-")[-1].lower() in listed.lower()


PAGES = [
    "models.md",
    "live.md",
    "benchmarks.md",
    "geometry.md",
    "recognition.md",
    "tuning.md",
    "destinations.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_other_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / "docs" / target).exists(), target


def test_every_field_of_a_closure_is_explained() -> None:
    fields = set(LoopClosure.__struct_fields__)
    explained = set(re.findall(r"`([a-z_]+)`", README))
    assert fields <= explained


@pytest.mark.parametrize("record", [Stream, Health])
def test_every_field_of_the_records_of_streams_is_explained(record: type) -> None:
    live = (ROOT / "docs/live.md").read_text(encoding="utf-8")
    assert set(record.__struct_fields__) <= set(re.findall(r"`([a-z_0-9]+)`", live))


def test_every_form_of_subtitles_that_is_shown_is_read() -> None:
    page = (ROOT / "docs/positions.md").read_text(encoding="utf-8")
    shown = page.split("in each cue:")[1].split("Which of")[0].strip().splitlines()
    assert len(shown) == 6
    for said in shown:
        (found,) = read_srt(f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n")
        assert found[:3] == pytest.approx([1, 47.3769, 8.5417], abs=1e-4), said


def test_the_distance_that_is_shown_is_that_of_the_places() -> None:
    page = (ROOT / "docs/positions.md").read_text(encoding="utf-8")
    said = dict(re.findall(r'"(\w+_(?:lat|lon|m))":([\d.]+)', page))
    query, match = (
        Position(float(said[f"{whose}_lat"]), float(said[f"{whose}_lon"]))
        for whose in ("query", "match")
    )
    assert f"{distance(query, match):.2f}" == said["distance_m"]


def test_every_field_of_a_benchmark_is_explained() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert set(Report.__struct_fields__) <= set(re.findall(r"`([a-z_]+)`", page))


def test_every_state_of_a_stream_is_explained() -> None:
    live = (ROOT / "docs/live.md").read_text(encoding="utf-8")
    assert {state.value for state in StreamState} <= set(re.findall(r"`([a-z_0-9]+)`", live))


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
