"""Inputs that once did harm, or were made to: each ends in a documented error, quickly.

`tools/fuzz.py` makes others by the thousand. The name of a file begins with what it is given to.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.cli import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    Arguments = Callable[[Path, Path, Path, Path], list[object]]

CORPUS = Path(__file__).parent / "corpus"
GOOD_RECORD = (
    '{"type":"query","stream":"cam","query_idx":6,"query_time":3.0,"decision":"accepted",'
    '"match_idx":1,"score":0.9,"confidence":0.9,"inliers":30}\n'
)
SECONDS = 15.0


def _settings(path: Path, film: Path, model: Path, _: Path) -> list[object]:
    return ["run", film, "--config", path, "--model", model]


def _card(path: Path, film: Path, model: Path, folder: Path) -> list[object]:
    own = folder / "own.onnx"
    shutil.copy(model, own)
    shutil.copy(path, own.with_suffix(".toml"))
    return ["run", film, "--model", own]


def _video(path: Path, _: Path, model: Path, __: Path) -> list[object]:
    return ["run", path, "--model", model]


def _image(path: Path, _: Path, model: Path, folder: Path) -> list[object]:
    pictures = folder / "pictures"
    pictures.mkdir()
    shutil.copy(path, pictures)
    return ["run", pictures, "--model", model]


def _camera(path: Path, film: Path, model: Path, _: Path) -> list[object]:
    pytest.importorskip("yaml", reason="the extra camera is not installed")
    return ["run", film, "--model", model, "--camera", path]


def _records(path: Path, _: Path, __: Path, folder: Path) -> list[object]:
    (folder / "positives.csv").write_text("query_idx,match_idx\n6,1\n", encoding="utf-8")
    return ["eval", path, "--ground-truth", folder / "positives.csv"]


def _truth(path: Path, _: Path, __: Path, folder: Path) -> list[object]:
    (folder / "records.jsonl").write_text(GOOD_RECORD, encoding="utf-8")
    return ["eval", folder / "records.jsonl", "--ground-truth", path]


def _map(path: Path, _: Path, __: Path, ___: Path) -> list[object]:
    return ["map", "info", path]


KINDS: dict[str, tuple[int, Arguments]] = {
    "settings": (2, _settings),
    "card": (3, _card),
    "video": (4, _video),
    "image": (4, _image),
    "camera": (2, _camera),
    "records": (5, _records),
    "truth": (5, _truth),
    "map": (5, _map),
}


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_it_ends_in_its_documented_error(
    name: str,
    tmp_path: Path,
    flight: Any,
    tiny_model: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    code, arguments = KINDS[name.partition("-")[0]]
    line = arguments(CORPUS / name, flight.path, tiny_model, tmp_path)
    began = time.monotonic()
    assert run_command([str(word) for word in line]) == code
    assert time.monotonic() - began < SECONDS
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("streamvpr: error: ")
    assert "Traceback" not in err


def test_it_is_small() -> None:
    sizes = [path.stat().st_size for path in CORPUS.iterdir()]
    assert max(sizes) < 2048
    assert sum(sizes) < 200_000
