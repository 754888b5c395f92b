"""Figures on real sequences with ground truth, where they are found beside the project."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from streamvpr.evaluation import evaluate, read_positives, read_queries

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="the real sequences are not beside the project"),
    pytest.mark.timeout(180),
]

CORRIDOR = ["run", str(DATA / "corridor/corridor_1fps.mp4"), "--fps", "0", "--exclude-recent", "20"]


@dataclass(frozen=True)
class Sequence:
    """A recording, and what is to be reached on it: figures of `Scores`, at least."""

    arguments: list[str]
    positives: str
    exclude: int | None
    least: dict[str, float]


def online(name: str, exclude: int, *options: str, **least: float) -> Sequence:
    arguments = ["run", str(DATA / name / "images"), "--exclude-recent", str(exclude), *options]
    return Sequence(arguments, name, exclude, least)


def walk(*options: str, **least: float) -> Sequence:
    folder = DATA / "walk-lateral"
    arguments = ["match", str(folder / "database"), str(folder / "query"), *options]
    return Sequence(arguments, "walk-lateral", None, least)


SEQUENCES = {
    "look-alike doors": Sequence(
        CORRIDOR, "corridor", 20, {"precision": 1, "recall": 0.95, "average_precision": 0.99}
    ),
    "four seasons": online("seasons", 4, precision=1, recall=0.75, average_precision=0.99),
    "snow and sun by xfeat": online(
        "seasons",
        4,
        "--local-features",
        "xfeat",
        precision=1,
        recall=0.85,
        average_precision=0.99,
    ),
    "look-alike doors by xfeat": online(
        "corridor", 20, "--local-features", "xfeat", precision=1, recall=0.95
    ),
    "fields at other headings": online(
        "drone",
        5,
        "--rotation-invariant",
        precision=0.98,
        recall=0.75,
        average_precision=0.88,
        max_recall_at_100_precision=0.72,
    ),
    "another lane": walk(recall_at_1=0.9),
    "another lane, ten frames": walk(
        "--sequence-length", "10", recall_at_1=0.98, average_precision=0.97
    ),
}


def streamvpr(*arguments: str, cwd: Path | None = None) -> bytes:
    command = [sys.executable, "-m", "streamvpr", *arguments, "--quiet"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=170, cwd=cwd)
    return done.stdout


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_to_be_reached(name: str, tmp_path: Path) -> None:
    sequence = SEQUENCES[name]
    lines = streamvpr(*sequence.arguments, "--records", "queries", cwd=tmp_path).decode()
    positives = read_positives(
        DATA / sequence.positives / "positives.csv", exclude=sequence.exclude
    )
    scores = evaluate(read_queries(lines.splitlines()), positives)
    for figure, least in sequence.least.items():
        assert getattr(scores, figure) >= least, f"{figure}: {scores}"


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


def test_a_second_lap_knows_the_first_from_a_map(tmp_path: Path) -> None:
    """Each lap of the corridor as a run of its own."""
    pictures = sorted((DATA / "corridor/images").iterdir())
    first_lap = 40
    for name, part in (("one", pictures[:first_lap]), ("two", pictures[first_lap:])):
        (tmp_path / name).mkdir()
        for picture in part:
            (tmp_path / name / picture.name).symlink_to(picture)
    options = ["--map", "corridor.vpr", "--records", "queries", "--exclude-recent", "5"]
    streamvpr("run", "one", *options, cwd=tmp_path)
    lines = streamvpr("run", "two", *options, cwd=tmp_path).decode().splitlines()
    positives = {
        query - first_lap: {match for match in matches if match < first_lap}
        for query, matches in read_positives(DATA / "corridor/positives.csv").items()
        if query >= first_lap
    }
    records = [json.loads(line) for line in lines]
    accepted = [record for record in records if record["decision"] == "accepted"]
    assert all(record["match_session"] is not None for record in accepted)
    assert accepted[0]["query_idx"] == 0
    scores = evaluate(read_queries(lines), positives)
    assert scores.precision == 1
    assert scores.recall is not None
    assert scores.recall >= 0.95


@pytest.mark.parametrize(
    ("video", "begin", "end"),
    [
        ("karma.mp4", (33.125368, -117.331064), (33.126, -117.332)),
        ("walk_rot90_metadata.mp4", (33.126770, -117.327344), (33.1267, -117.3273)),
    ],
    ids=["a drone of GoPro's", "a camera that is carried"],
)
def test_gopro_files_say_where_they_were_taken(
    video: str, begin: tuple[float, float], end: tuple[float, float]
) -> None:
    lines = streamvpr("run", str(DATA / "videos" / video), "--fps", "1", "--records", "queries")
    records = [json.loads(line) for line in lines.splitlines()]
    positions = [(record["query_lat"], record["query_lon"]) for record in records]
    assert positions[0] == pytest.approx(begin, abs=1e-6)
    assert positions[-1] == pytest.approx(end, abs=1e-3)
    steps = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(positions)]
    assert max(steps) < 2e-4, "some ten metres a second at most"
