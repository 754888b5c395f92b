"""What a place, a query and a stream cost: every figure is there, and is a figure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from scaling import main

if TYPE_CHECKING:
    from pathlib import Path

DIMENSION = 193
PLACES = 40_000


def figures(out: str) -> dict[str, list[float]]:
    """The rows of all tables by what they are of."""
    rows = re.findall(r"^\| ([^|]+) \| ([\d., |]+) \|$", out, re.MULTILINE)
    return {name: [float(c.replace(",", "")) for c in cells.split("|")] for name, cells in rows}


def test_it_measures_what_it_says(
    tiny_model: Path, flight: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(flight.path), "--model", str(tiny_model), "--fps", "0"]
    assert main([*arguments, "--places", str(PLACES)]) == 0
    found = figures(capsys.readouterr().out)
    stages = ["prepare", "embed", "features", "recognize", "decode"]
    assert all(found[stage][0] > 0 for stage in stages)
    assert found["all"][0] >= sum(found[stage][0] for stage in stages) - 0.1
    assert found["descriptor in a shard's memory"] == [4 * DIMENSION]
    assert found["of that descriptor"] == [2 * DIMENSION]
    (in_file,), (features,) = found["in the map's file"], found["of that local features"]
    assert features > 1000
    assert in_file > features + 2 * DIMENSION
    codes, together, products, compared, _ = found[f"{PLACES:,}"]
    assert min(codes, together, products) > 0
    assert 1024 < compared < PLACES / 2


@pytest.mark.timeout(90)
def test_with_a_cluster_it_measures_what_that_adds(
    tiny_model: Path, flight: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="pip install 'streamvpr[cluster]'")
    arguments = [str(flight.path), "--model", str(tiny_model), "--fps", "0", "--places", "1000"]
    assert main([*arguments, "--cluster", "local"]) == 0
    found = figures(capsys.readouterr().out)
    alone, there = found["a picture through the model here"], found["the same in an actor"]
    assert 0 < alone[0] < there[0]
    assert found["a place with its features out of an actor"][0] > 0


def test_a_source_that_is_not_there_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.mp4"]) == 1
    assert capsys.readouterr().err.startswith("scaling: cannot open nowhere.mp4")
