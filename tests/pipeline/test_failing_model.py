"""A model that fails on some pictures: a real one, whose graph looks up what is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.cli import run_command
from streamvpr.embedding import open_embedder
from streamvpr.errors import ModelError
from streamvpr.patience import MOST_FAILURES, PatientEmbedder

# The tools are scripts and no package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from failing_model import make_afraid_of_the_dark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

BLACK = np.zeros((32, 32, 3), np.uint8)
BRIGHT = np.full((32, 32, 3), 200, np.uint8)


@pytest.fixture
def afraid_of_the_dark(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model, which fails on a batch with a picture that is black all over."""
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model.read_bytes())
    path.with_suffix(".toml").write_bytes(tiny_model.with_suffix(".toml").read_bytes())
    return make_afraid_of_the_dark(path)


@pytest.fixture
def patient(afraid_of_the_dark: Path) -> PatientEmbedder:
    return PatientEmbedder(open_embedder(str(afraid_of_the_dark), device="cpu"))


class TestPatience:
    def test_what_fails_twice_is_left_out_and_the_rest_is_not(
        self, patient: PatientEmbedder, logged: Any
    ) -> None:
        found = patient.embed([BRIGHT, BLACK, BRIGHT])
        assert [descriptor is None for descriptor in found] == [False, True, False]
        assert found[0] is not None
        assert found[0].shape == (193,)
        patient.embed([BLACK])
        (warning,) = logged.warnings
        assert "indices element out of data bounds" in warning
        patient.finish()

    def test_so_many_in_a_row_are_the_end(self, patient: PatientEmbedder) -> None:
        for _ in range(2):
            patient.embed([BLACK] * (MOST_FAILURES - 1))
            patient.embed([BRIGHT])
        patient.embed([BLACK] * (MOST_FAILURES - 1))
        with pytest.raises(ModelError, match=f"with {MOST_FAILURES} in a row"):
            patient.embed([BLACK])

    def test_a_model_that_never_worked_is_an_error_at_the_end(
        self, patient: PatientEmbedder
    ) -> None:
        patient.embed([BLACK])
        with pytest.raises(ModelError, match="tiny failed on cpu"):
            patient.finish()


class TestRuns:
    @pytest.fixture
    def records(
        self, afraid_of_the_dark: Path, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
        def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
            line = [*map(str, arguments), "--model", str(afraid_of_the_dark), "--threads", "1"]
            code = run_command([*line, "--no-verify-geom", "--fps", "0"])
            out, err = capsysbinary.readouterr()
            return code, [json.loads(text) for text in out.splitlines()], err.decode()

        return run

    def film(self, pan: Make, dark: Callable[[int], bool]) -> Iterator[Any]:
        for index, image in enumerate(pan(0, 90, 48)):
            yield np.zeros_like(image) if dark(index) else image

    def test_its_frame_is_told_and_counted_and_the_rest_closes_loops(
        self, records: Make, make_video: Make, pan: Make, tmp_path: Path
    ) -> None:
        path = make_video(tmp_path / "a.mkv", self.film(pan, lambda index: index == 20))
        code, lines, err = records("run", path, "--records", "all", "--health-every", 60)
        assert code == 0
        queries = [line for line in lines if line["type"] == "query"]
        assert [query["query_idx"] for query in queries] == list(range(90))
        failed = [q["query_idx"] for q in queries if q["decision"] == "undescribed"]
        assert failed == [20]
        assert queries[20]["match_idx"] is None
        matched = {line["query_idx"] for line in lines if line["type"] == "loop_closure"}
        assert len(matched) > 30
        (health,) = [line for line in lines if line["type"] == "health"]
        assert (health["processed"], health["undescribed"]) == (90, 1)
        assert err.count("left out a picture") == 1
        assert ", 1 not described" in err

    def test_a_standing_view_that_failed_first(
        self, records: Make, make_video: Make, pan: Make, tmp_path: Path
    ) -> None:
        path = make_video(tmp_path / "a.mkv", self.film(pan, lambda index: 20 <= index < 70))
        code, lines, _ = records("run", path, "--records", "queries")
        assert code == 0
        decisions = [line["decision"] for line in lines]
        assert decisions[20] == "undescribed"
        assert set(decisions[21:70]) <= {"stationary", "undescribed"}
        assert len(decisions) == 90

    @pytest.mark.logs_errors
    def test_one_that_fails_on_and_on_ends_the_run_and_keeps_what_was_found(
        self, records: Make, make_video: Make, pan: Make, tmp_path: Path, noisy: Make
    ) -> None:
        def film() -> Iterator[Any]:
            for index, image in enumerate(pan(0, 150, 48)):
                # Dark, and different each time: no standing view.
                yield image if index < 60 else np.roll(image, 7 * index, 0) // 5

        path = make_video(tmp_path / "a.mkv", film())
        code, lines, err = records("run", path, "--output-dir", tmp_path / "out")
        assert code == 3
        assert f"with {MOST_FAILURES} in a row" in err.splitlines()[-1]
        assert len(lines) >= 12
        assert json.loads((tmp_path / "out" / "loop_closures.json").read_text()) == lines

    def test_match_leaves_it_out_of_both_sides(
        self, records: Make, make_video: Make, pan: Make, tmp_path: Path
    ) -> None:
        path = make_video(tmp_path / "a.mkv", self.film(pan, lambda index: index == 20))
        out = ["--output-dir", tmp_path / "out", "--records", "queries"]
        code, lines, _ = records("match", path, path, *out)
        assert code == 0
        assert [line["decision"] == "undescribed" for line in lines] == [i == 20 for i in range(90)]
        assert 20 not in {line["match_idx"] for line in lines}
