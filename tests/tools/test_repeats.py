"""What the tool says of runs that must come to the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import repeats

if TYPE_CHECKING:
    from pathlib import Path


def line(index: int, **fields: Any) -> bytes:
    record = {"type": "query", "query_idx": index, "score": 0.5, "inliers": 52, **fields}
    return json.dumps(record).encode() + b"\n"


def test_a_folder_of_pictures_gives_the_same_bytes(
    sequences: Path,
    squares_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Two of them: each is a program that is started.
    monkeypatch.setattr(repeats, "SAME", repeats.SAME[2:3] + repeats.SAME[5:6])
    after = ["--", "--model", str(squares_model), "--exclude-recent", "3", "--no-verify-geom"]
    recorded = tmp_path / "other.jsonl"
    recorded.write_bytes(line(0, decision="accepted"))
    code = repeats.main([str(tmp_path / "pictures"), "--against", str(recorded), *after])
    rows = capsys.readouterr().out.splitlines()[4:]
    assert rows[:2] == [
        "| three threads | yes | 0 of 10 | 0 |",
        "| other hashes | yes | 0 of 10 | 0 |",
    ]
    assert "| 0 of 10 |" in rows[2]
    # Records of something else are told, and the code says so.
    assert "10 and 1 records" in rows[3]
    assert code == 1


@pytest.mark.parametrize(
    ("other", "otherwise", "largest"),
    [
        (line(0), (), 0.0),
        (line(0, score=0.50002), (), 2e-5),
        (line(0, inliers=51), ("query 0: inliers 52, 51",), 0.0),
        (line(0, score=None), ("query 0: score 0.5, None",), 0.0),
        (line(0) + line(1), ("1 and 2 records",), 0.0),
    ],
)
def test_what_differs_is_told(other: bytes, otherwise: tuple[str, ...], largest: float) -> None:
    found = repeats.agreement(repeats.Output(line(0), {}), repeats.Output(other, {}))
    assert found.decided_otherwise == otherwise
    assert found.largest == pytest.approx(largest)
    assert found.same_bytes == (other == line(0))


def test_pictures_are_compared_too() -> None:
    first = repeats.Output(line(0), {"matches/0.jpg": b"a"})
    assert not repeats.agreement(first, repeats.Output(line(0), {"matches/0.jpg": b"b"})).same_bytes


def test_a_run_that_fails_is_told() -> None:
    with pytest.raises(SystemExit, match=r"nothing\.mp4"):
        repeats.main(["nothing.mp4"])
