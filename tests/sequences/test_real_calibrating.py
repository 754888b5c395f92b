"""Thresholds proposed from real sequences, held against what is right there."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the real sequences are not beside the project"),
    pytest.mark.timeout(180),
]

CORRIDOR = [str(DATA / "corridor/corridor_1fps.mp4"), "--fps", "0", "--exclude-recent", "20"]
SEASONS = [str(DATA / "seasons/images"), "--exclude-recent", "4"]
WALK = [str(DATA / "walk-lateral" / name) for name in ("database", "query")]


def streamvpr(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "streamvpr", *arguments, "--quiet"]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=150).stdout
    return [json.loads(line) for line in out.splitlines()]


def right_pairs(sequence: str) -> set[tuple[int, int]]:
    with (DATA / sequence / "positives.csv").open(encoding="utf-8") as file:
        return {(int(r["query_idx"]), int(r["match_idx"])) for r in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("name", "arguments"), [("corridor", CORRIDOR), ("seasons", SEASONS), ("walk", WALK)]
)
def test_proposals_of_the_bundled_model_are_near_those_found_by_hand(
    name: str, arguments: list[str]
) -> None:
    (found,) = streamvpr("calibrate", *arguments)
    assert found["value"] == pytest.approx(0.88, abs=0.06), name
    assert found["without_geometry"] == pytest.approx(0.98, abs=0.02), name
    assert found["without_geometry_error"] < 0.01


@pytest.mark.parametrize(("sequence", "arguments"), [("corridor", CORRIDOR), ("seasons", SEASONS)])
def test_value_loses_hardly_a_true_match_and_the_other_level_makes_no_false_one(
    sequence: str, arguments: list[str]
) -> None:
    (found,) = streamvpr("calibrate", *arguments)
    right = right_pairs(sequence)
    alone = ["--no-verify-geom", "--records", "queries", "--sim-threshold"]
    asked = streamvpr("run", *arguments, *alone, str(found["value"]))
    true = [q for q in asked if (q["query_idx"], q["match_idx"]) in right]
    assert np.mean([q["decision"] == "accepted" for q in true]) > 0.95
    sure = streamvpr("run", *arguments, *alone, str(found["without_geometry"]))
    accepted = [q for q in sure if q["decision"] == "accepted"]
    assert all((q["query_idx"], q["match_idx"]) in right for q in accepted)
