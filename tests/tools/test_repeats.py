"""What the tool says of runs that must come to the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import repeats

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = repeats.Variant("again")
ELSEWHERE = repeats.Variant("elsewhere", exact=False)


def output(**fields: Any) -> repeats.Output:
    record = {"type": "query", "stream": "a", "query_idx": 0, "query_time": None}
    decided = {"decision": "accepted", "match_idx": 7, "score": 0.5, "confidence": 0.9}
    line = json.dumps({**record, **decided, "inliers": 52, **fields}).encode()
    return repeats.Output(line + b"\n", {"loop_closures.json": b"[]", "plot.png": b"a"})


def test_a_folder_of_pictures_gives_the_same_bytes(
    sequences: Path,
    squares_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert sequences.is_file()
    # Two of them: each is a program that is started.
    monkeypatch.setattr(repeats, "SAME", repeats.SAME[2:3] + repeats.SAME[5:6])
    after = ["--", "--model", str(squares_model), "--exclude-recent", "3", "--no-verify-geom"]
    assert repeats.main([str(tmp_path / "pictures"), *after]) == 0
    rows = capsys.readouterr().out.splitlines()[4:]
    assert rows[:2] == [
        "| three threads | yes | 0 of 10 | 0 | 0 |",
        "| other hashes | yes | 0 of 10 | 0 | 0 |",
    ]
    assert "| 0 of 10 |" in rows[2]


@pytest.mark.parametrize(
    ("fields", "elsewhere", "told"),
    [
        ({}, True, "yes | 0 of 1 | 0 | 0"),
        ({"score": 0.50002}, True, "no | 0 of 1 | 2e-05 | 0"),
        ({"score": 0.502}, False, "no | 0 of 1 | 0.002 | 0"),
        ({"inliers": 51}, False, "no | query 0 of a: inliers 52, 51 | 0 | 0"),
    ],
)
def test_what_differs_is_told(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any], elsewhere: bool, told: str
) -> None:
    assert repeats.compare(AGAIN, output(), output(**fields)) == (not fields)
    assert repeats.compare(ELSEWHERE, output(), output(**fields)) == elsewhere
    assert capsys.readouterr().out == f"| again | {told} |\n| elsewhere | {told} |\n"


def test_pictures_are_compared_too() -> None:
    other = repeats.Output(output().records, {**output().files, "plot.png": b"b"})
    assert not repeats.compare(AGAIN, output(), other)


def test_a_run_that_fails_is_told() -> None:
    with pytest.raises(SystemExit, match=r"nothing\.mp4"):
        repeats.main(["nothing.mp4"])
