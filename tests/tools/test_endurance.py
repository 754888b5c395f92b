"""The long run in small: that it measures, and that it tells what grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import endurance

if TYPE_CHECKING:
    import pytest


def test_a_frame_costs_the_same_after_the_ring_was_filled_many_times(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--frames", "700", "--capacity", "100", "--window", "50", "--compared", "6"]
    code = endurance.main([*arguments, "--time", "0.25", "--memory", "0.1"])
    said, err = capsys.readouterr()
    assert "endurance: " not in err, err
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")][2:]
    assert [int(row[0].replace(",", "")) for row in rows] == list(range(50, 701, 50))
    again = [int(row[1]) > 30 for row in rows]
    assert again == [False, False, False, True] * 3 + [False] * 2, "a stretch of four comes again"
    assert all(float(row[2]) > 0 and float(row[3]) > 30 for row in rows)
    young = [row[4].strip() for row in rows]
    assert [figure == "-" for figure in young] == [True] * 5 + [False] * 9
    assert code == 0, said


def test_too_few_frames_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert endurance.main(["--frames", "100", "--capacity", "90", "--window", "10"]) == 1
    assert "more --frames" in capsys.readouterr().err
