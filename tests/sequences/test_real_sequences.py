"""Figures on real sequences with ground truth, where they are found beside the project."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamvpr.evaluation import Scores, evaluate, read_positives, read_queries

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the real sequences are not beside the project"),
    pytest.mark.timeout(180),
]

CORRIDOR = ["run", str(DATA / "corridor/corridor_1fps.mp4"), "--fps", "0", "--exclude-recent", "20"]


@dataclass(frozen=True)
class Sequence:
    arguments: list[str]
    positives: Path
    exclude: int


SEQUENCES = {
    "corridor": Sequence(CORRIDOR, DATA / "corridor/positives.csv", 20),
    "seasons": Sequence(
        ["run", str(DATA / "seasons/images"), "--exclude-recent", "4"],
        DATA / "seasons/positives.csv",
        4,
    ),
}


def streamvpr(*arguments: str) -> bytes:
    command = [sys.executable, "-m", "streamvpr", *arguments, "--quiet"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=150).stdout


def scored(sequence: Sequence) -> Scores:
    lines = streamvpr(*sequence.arguments, "--records", "queries").decode().splitlines()
    return evaluate(
        read_queries(lines), read_positives(sequence.positives, exclude=sequence.exclude)
    )


def test_look_alike_doors_close_no_false_loop_and_nearly_all_true_ones() -> None:
    scores = scored(SEQUENCES["corridor"])
    assert scores.precision == 1
    assert scores.recall is not None
    assert scores.recall >= 0.9


def test_four_seasons_close_no_false_loop_and_most_true_ones() -> None:
    scores = scored(SEQUENCES["seasons"])
    assert scores.precision == 1
    assert scores.recall is not None
    assert scores.recall >= 0.6


def test_xfeat_sees_through_snow_and_sun() -> None:
    seasons = SEQUENCES["seasons"]
    arguments = [*seasons.arguments, "--local-features", "xfeat"]
    scores = scored(Sequence(arguments, seasons.positives, seasons.exclude))
    assert scores.precision == 1
    assert scores.recall is not None
    assert scores.recall >= 0.9


def test_the_same_bytes_again_and_with_every_batch_size() -> None:
    first = streamvpr(*CORRIDOR, "--records", "all", "--batch-size", "1")
    assert first
    for size in ("1", "4", "16"):
        assert streamvpr(*CORRIDOR, "--records", "all", "--batch-size", size) == first, size


@pytest.mark.parametrize("options", [[], ["--fps", "0"], ["--fps", "0", "--exclude-recent", "5"]])
@pytest.mark.parametrize("video", ["vtest.avi", "solidWhiteRight.mp4"])
def test_a_standing_camera_and_a_straight_road_close_no_loop(
    video: str, options: list[str]
) -> None:
    assert streamvpr("run", str(DATA / "videos" / video), *options) == b""


def test_match_writes_every_output_of_the_offline_mode(tmp_path: Path) -> None:
    folders = [str(DATA / "walk-lateral" / name) for name in ("database", "query")]
    printed = streamvpr("match", *folders, "--output-dir", str(tmp_path))
    closures = json.loads((tmp_path / "loop_closures.json").read_text())
    assert closures == [json.loads(line) for line in printed.splitlines()]
    assert len(closures) > 20
    for closure in closures:
        assert isinstance(closure["query_idx"], int)
        assert isinstance(closure["match_idx"], int)
        assert isinstance(closure["score"], float)
        assert closure["geom_verified"] is True
        assert closure["inliers"] >= 20
        assert Path(closure["query_path"]).parent.name == "query"
        assert Path(closure["match_path"]).parent.name == "database"
    assert len(list((tmp_path / "matches").glob("*.jpg"))) == len(closures)
    assert (tmp_path / "similarity_plot.png").read_bytes().startswith(b"\x89PNG")
