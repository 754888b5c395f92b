"""An old program beside a young one: what grows is told, and what fails."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING

import aging
import endurance
import pytest
import squares_model

if TYPE_CHECKING:
    from collections.abc import Callable


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
    def windows(cost: Callable[[int], tuple[float, float]], first: int) -> list[aging.Window]:
        return [
            aging.Window(frames, 0, cost(frames)[0], int(cost(frames)[1]))
            for frames in range(first, 11_000, 1000)
        ]

    pairs = aging.pairs(windows(old, 1000), windows(lambda _: (10.0, 100e6), 4000))
    assert [pair.old.frames for pair in pairs] == list(range(4000, 11_000, 1000))
    assert aging.judge(pairs, endurance.parse([])) == code
    assert "a frame costs" in capsys.readouterr().out


def test_what_a_program_used_is_read_of_the_system() -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", "b = bytearray(80_000_000)\nwhile True: pass"]
    )
    try:
        seconds, resident = 0.0, 0
        while seconds < 0.3:
            seconds, resident = aging.usage(program.pid)
    finally:
        program.kill()
        program.wait()
    assert 80e6 < resident < 200e6


def test_a_program_that_fails_is_told_with_its_last_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(squares_model, "CARD", "")
    assert endurance.main(["--frames", "300", "--capacity", "10", "--window", "10"]) == 1
    assert "endurance: streamvpr ended with 3: streamvpr: error" in capsys.readouterr().err


def test_a_program_that_ends_too_early_is_told() -> None:
    program = aging.Program(["true"], 10)
    with pytest.raises(RuntimeError, match="ended before the flight did"):
        deque(map(program.send, repeat(bytes(1 << 16), 100)), maxlen=0)
    program.kill()
