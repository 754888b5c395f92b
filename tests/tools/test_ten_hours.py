"""Ten hours in small: faults that cost a program nothing for good, and one that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ten_hours
from aging import Window

if TYPE_CHECKING:
    import pytest


def test_faults_cost_nothing_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hours", str(700 / 7200), "--capacity", "100", "--window", "50"]
    limits = ["--compared", "4", "--time", "0.4", "--memory", "0.15", "--closures", "0"]
    code = ten_hours.main([*arguments, "--every", "60", *limits])
    said, err = capsys.readouterr()
    assert "ten_hours: " not in err, err
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")][2:]
    assert [int(row[0]) for row in rows][:10] == list(range(50, 501, 50))
    assert sum(int(row[1]) for row in rows) > 100
    assert "12 faults among 700 pictures." in said
    assert code == 0, said


def test_what_is_worse_than_at_first_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ten_hours.parse(["--capacity", "10", "--window", "50", "--compared", "2"])

    def judge(closures: int, threads: int, descriptors: int) -> int:
        first = [Window(frames, 20, 1.0, 1, 9, 30) for frames in (50, 100)]
        last = [Window(frames, closures, 1.0, 1, threads, descriptors) for frames in (150, 200)]
        return ten_hours.less_good([*first, *last], options)

    assert judge(20, 9, 30) == judge(16, 9, 30) == 0
    assert judge(15, 9, 30) == judge(20, 10, 30) == judge(20, 9, 31) == 1
    assert "closures a window 20 and 15" in capsys.readouterr().out
