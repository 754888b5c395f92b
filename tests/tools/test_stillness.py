"""What skipping still frames saves and loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import stillness

from streamvpr.sampler import StillnessGate

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_place_where_the_camera_stood_is_skipped_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, usual = np.random.default_rng(0), StillnessGate.CHANGED_SHARE
    views = [chance.integers(0, 256, (12, 16, 3), dtype=np.uint8) for _ in range(7)]
    # Three frames of the second view; then all of them again.
    for number, view in enumerate([0, 1, 1, 1, 2, 3, 4, 5, 6, 0, 1, 1, 2]):
        picture = cv2.resize(views[view], (320, 240), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), picture)
    assert stillness.main([str(tmp_path), "--fps", "0", "--exclude-recent", "5"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split("|")[2:-1]
    assert [cell.strip() for cell in row] == ["13", "3 (23%)", "4", "0"]
    assert usual == StillnessGate.CHANGED_SHARE


def test_what_cannot_be_read_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert stillness.main(["nothing.mp4"]) == 1
    assert "nothing.mp4" in capsys.readouterr().err
