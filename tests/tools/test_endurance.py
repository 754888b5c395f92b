"""The long run in small: that it measures, and that it tells what grows."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

import endurance
import pytest
from long_flight import fly

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize(
    ("old", "code"),
    [
        (lambda frames: (10.0, 100e6), 0),
        (lambda frames: (10.6, 100e6), 1),
        (lambda frames: (10.0, 103e6), 1),
        (lambda frames: (10.0 + (frames == 5000), 100e6), 0),
    ],
    ids=["level", "dearer", "larger", "disturbed once"],
)
def test_what_grows_is_told(
    old: Callable[[int], tuple[float, float]], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def windows(cost: Callable[[int], tuple[float, float]], first: int) -> list[endurance.Window]:
        return [
            endurance.Window(frames, 0, cost(frames)[0], int(cost(frames)[1]))
            for frames in range(first, 11_000, 1000)
        ]

    pairs = endurance.pairs(windows(old, 1000), windows(lambda _: (10.0, 100e6), 4000))
    assert [pair.old.frames for pair in pairs] == list(range(4000, 11_000, 1000))
    assert endurance.judge(pairs, endurance.parse([])) == code
    assert "a frame costs" in capsys.readouterr().out


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
    assert "more --frames" in capsys.readouterr().err


def test_a_program_that_fails_is_told_with_its_last_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endurance, "CARD", "")
    assert endurance.main(["--frames", "300", "--capacity", "10", "--window", "10"]) == 1
    assert "endurance: streamvpr ended with 3: streamvpr: error" in capsys.readouterr().err


def test_a_program_that_ends_too_early_is_told() -> None:
    program = endurance.Program(["true"], 10)
    with pytest.raises(RuntimeError, match="ended before the flight did"):
        deque(map(program.show, fly(100)), maxlen=0)
    program.kill()
