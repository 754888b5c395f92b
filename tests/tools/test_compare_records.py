"""Comparing two runs: what must be the same, and what may differ by a little."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from compare_records import main

if TYPE_CHECKING:
    from pathlib import Path

QUERY = {
    "type": "query",
    "stream": "cam",
    "query_idx": 42,
    "query_time": 21.0,
    "decision": "accepted",
    "match_idx": 1,
    "score": 0.9,
    "confidence": 0.99,
    "inliers": 50,
    "inliers_needed": 20,
    "overlap": 0.8,
}
CLOSURE = {
    "type": "loop_closure",
    "stream": "cam",
    "loop_id": 0,
    "query_idx": 42,
    "match_idx": 1,
    "query_time": 21.0,
    "match_time": 0.5,
    "score": 0.9,
    "confidence": 0.99,
    "geom_verified": True,
    "inliers": 50,
    "query_path": "a.mp4",
    "match_path": "a.mp4",
    "match_stream": "cam",
    "homography": [1, 0, 3, 0, 1, 4, 0, 0, 1],
}
ENDED = {
    "type": "stream",
    "stream": "cam",
    "state": "ended",
    "path": "a.mp4",
    "time": None,
    "wall_time": None,
    "cause": None,
    "seconds": None,
    "frames": 1,
    "skipped": 0,
    "decoding": "all",
    "codec": "h264",
    "width": 640,
    "height": 480,
}


def compare(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    query: dict[str, Any] | None = None,
    closure: dict[str, Any] | None = None,
    options: tuple[str, ...] = (),
) -> tuple[int, dict[str, Any]]:
    """A run with a second one, in which fields are other."""
    one = [QUERY, CLOSURE, ENDED]
    other = [{**QUERY, **(query or {})}, {**CLOSURE, **(closure or {})}, ENDED]
    paths = [folder / "one.jsonl", folder / "other.jsonl"]
    for path, records in zip(paths, (one, other), strict=True):
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    code = main([*map(str, paths), *options])
    return code, json.loads(capsys.readouterr().out)


def test_the_same_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compare(tmp_path, capsys)
    assert (code, found["same"]) == (0, True)
    assert (found["queries"], found["accepted"], found["closures"]) == (1, 1, 1)
    assert found["largest_pixels"] == 0


@pytest.mark.parametrize(
    ("query", "closure", "field"),
    [
        ({"decision": "below_threshold"}, {}, "decision"),
        ({"match_idx": 2}, {}, "match_idx"),
        ({"inliers": 51}, {}, "inliers"),
        ({"query_idx": 43, "match_idx": None}, {}, "match_idx"),
        ({}, {"loop_id": 1}, "loop_id"),
        ({}, {"query_idx": 43}, "query_idx"),
    ],
)
def test_what_must_not_differ_is_named(
    query: dict[str, Any],
    closure: dict[str, Any],
    field: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, found = compare(tmp_path, capsys, query=query, closure=closure)
    assert (code, found["same"]) == (1, False)
    (difference,) = found["differences"]
    assert difference["field"] == field
    assert difference["one"] != difference["other"]


@pytest.mark.parametrize(
    ("query", "figure", "near", "far"),
    [
        ("score", "largest_score", 0.90005, 0.902),
        ("confidence", "largest_confidence", 0.9895, 0.97),
        ("overlap", "largest_overlap", 0.795, 0.7),
    ],
)
def test_what_may_differ_a_little_is_measured(
    query: str,
    figure: str,
    near: float,
    far: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for value, code in ((near, 0), (far, 1)):
        got, found = compare(tmp_path, capsys, query={query: value})
        assert (got, found["differences"]) == (code, [])
        assert found[figure] == pytest.approx(abs(value - QUERY[query]))


def test_homographies_are_compared_by_where_they_lead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shifted = [1, 0, 6, 0, 1, 8, 0, 0, 1]
    code, found = compare(tmp_path, capsys, closure={"homography": shifted})
    assert code == 1
    assert found["largest_pixels"] == pytest.approx(5)
    assert (
        compare(tmp_path, capsys, closure={"homography": shifted}, options=("--pixels", "6"))[0]
        == 0
    )


def test_a_frame_that_one_has_not_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    for path, times in zip(paths, (1, 2), strict=True):
        path.write_text((json.dumps(QUERY) + "\n") * times)
    assert main([*map(str, paths)]) == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 3


def test_what_is_no_record_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text("hello\n")
    assert main([str(path), str(path)]) == 1
    assert capsys.readouterr().err.startswith("compare_records: ")
