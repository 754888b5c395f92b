"""The tools are scripts and no package: their folder is where they import each other from.

What they are tried on: five places that come twice, and a model that tells them apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

sys.path.insert(0, str(TOOLS))


SEQUENCES = """
[[sequence]]
name = "loop"
kind = "run"
sources = ["pictures"]
positives = "loop.csv"
exclude = 3

[[sequence]]
name = "twice"
kind = "match"
sources = ["pictures", "pictures"]
positives = "twice.csv"
"""


@pytest.fixture
def squares_model(tmp_path: Path) -> Path:
    """Mean colours of sixteen squares: no network, but a descriptor."""
    from squares_model import write_model

    return write_model(tmp_path, "tiny", side=32, square=8, threshold=0.5, alone=0.5)


def make_loop(folder: Path) -> None:
    """Five places, and the same five again."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    places = [generator.integers(0, 256, (4, 4, 3), dtype=np.uint8) for _ in range(5)]
    for index in range(10):
        picture = cv2.resize(places[index % 5], (64, 64), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / f"{index:02}.png"), picture)


def write_pairs(path: Path, pairs: list[tuple[int, int]]) -> None:
    lines = ["query_idx,match_idx", *(f"{query},{match}" for query, match in pairs)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """Those places online, and offline against themselves."""
    make_loop(tmp_path / "pictures")
    write_pairs(tmp_path / "loop.csv", [(index + 5, index) for index in range(5)])
    twice = [(query, match) for query in range(10) for match in (query % 5, query % 5 + 5)]
    write_pairs(tmp_path / "twice.csv", twice)
    path = tmp_path / "sequences.toml"
    path.write_text(SEQUENCES, encoding="utf-8")
    return path
