"""The long run in small: that it measures, and that it tells what grows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import endurance
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_frame_costs_the_same_after_the_ring_was_filled_many_times(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--frames", "1200", "--capacity", "200", "--window", "200"]
    code = endurance.main([*arguments, "--time", "0.4", "--memory", "0.05"])
    said, err = capsys.readouterr()
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")][2:]
    assert [int(row[0].replace(",", "")) for row in rows] == list(range(200, 1201, 200))
    again = [int(row[1]) for row in rows]
    assert all(30 < closures <= 60 for closures in again[1:]), "one stretch of four is flown again"
    assert all(float(row[2]) > 0 and float(row[3]) > 30 for row in rows)
    assert code == 0, said
    assert err == ""


@pytest.mark.parametrize(
    ("cost", "code"),
    [
        (lambda frames: (10.0, 100e6), 0),
        (lambda frames: (10 + frames / 10_000, 100e6), 1),
        (lambda frames: (10.0, 100e6 + 300 * frames), 1),
        (lambda frames: (10.0 + (frames == 5000), 100e6), 0),
    ],
    ids=["level", "dearer", "larger", "disturbed once"],
)
def test_what_grows_is_told(
    cost: Callable[[int], tuple[float, float]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    windows = [
        endurance.Window(frames, 0, cost(frames)[0], int(cost(frames)[1]))
        for frames in range(1000, 11_000, 1000)
    ]
    assert endurance.judge(windows, endurance.parse([])) == code
    assert "A frame costs" in capsys.readouterr().out


def test_what_a_program_used_is_read_of_the_system() -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", "b = bytearray(80_000_000)\nwhile True: pass"]
    )
    try:
        seconds, resident = 0.0, 0
        while seconds < 0.3:
            seconds, resident = endurance.usage(program.pid)
    finally:
        program.kill()
        program.wait()
    assert 80e6 < resident < 200e6


def test_too_few_frames_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert endurance.main(["--frames", "100", "--capacity", "90", "--window", "10"]) == 1
    assert "two windows" in capsys.readouterr().err
