"""What each command prints, writes and returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.demo import LAP_SECONDS
from streamvpr.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

LOOP_FIELDS = {
    "type",
    "stream",
    "loop_id",
    "query_idx",
    "match_idx",
    "query_time",
    "match_time",
    "score",
    "confidence",
    "geom_verified",
    "inliers",
    "query_path",
    "match_path",
    "match_stream",
    "homography",
    "geometry",
    "fundamental",
    "rotation",
    "translation",
}
QUERY_FIELDS = {
    "type",
    "stream",
    "query_idx",
    "query_time",
    "decision",
    "match_idx",
    "score",
    "confidence",
    "inliers",
    "inliers_needed",
    "overlap",
}
ARTICLE_FIELDS = {
    "query_idx",
    "match_idx",
    "score",
    "geom_verified",
    "inliers",
    "query_path",
    "match_path",
}
PNG = b"\x89PNG\r\n\x1a\n"


def assert_is_an_output_folder(folder: Path, loops: list[dict[str, Any]]) -> None:
    closures = json.loads((folder / "loop_closures.json").read_text())
    assert closures == loops
    previews = sorted((folder / "matches").iterdir())
    assert len(previews) == len(loops)
    for preview in previews:
        assert preview.read_bytes().startswith(b"\xff\xd8")
        picture = cv2.imread(str(preview))
        # Two pictures of 160x120, enlarged to 320, side by side over a caption.
        assert picture.shape[1] == 2 * 320
        assert picture.shape[0] > 240
    assert (folder / "similarity_plot.png").read_bytes().startswith(PNG)
    assert (folder / "similarity_matrix.png").read_bytes().startswith(PNG)
    assert (folder / "run.toml").is_file()
    assert json.loads((folder / "summary.json").read_text())["figures"]["closures"] == len(loops)
    queries = (folder / "queries.jsonl").read_text().splitlines()
    accepted = [q for q in map(json.loads, queries) if q["decision"] == "accepted"]
    assert [q["query_idx"] for q in accepted] == [one["query_idx"] for one in loops]


class TestRun:
    def test_loop_closures_have_exactly_the_fields_of_the_contract(
        self, run: Make, flight: Any
    ) -> None:
        result = run(flight.path)
        assert result.code == 0
        assert len(result.lines) == flight.frames - flight.lap
        for offset, line in enumerate(result.lines):
            assert set(line) == LOOP_FIELDS
            assert line["type"] == "loop_closure"
            assert line["stream"] == line["match_stream"] == "flight"
            assert (line["query_idx"], line["match_idx"]) == (flight.lap + offset, offset)
            assert line["query_time"] == pytest.approx((flight.lap + offset) / 10, abs=1e-3)
            assert line["match_time"] == pytest.approx(offset / 10, abs=1e-3)
            assert line["query_path"] == line["match_path"] == str(flight.path)
            assert line["geom_verified"] is True
            assert line["inliers"] >= 20
            assert 0.7 <= line["score"] <= 1
            assert 0 <= line["confidence"] <= 1
            assert len(line["homography"]) == 9
            assert line["loop_id"] == 0

    def test_queries_have_exactly_the_fields_of_the_contract_one_a_frame(
        self, run: Make, flight: Any
    ) -> None:
        result = run(flight.path, "--records", "queries")
        assert [line["query_idx"] for line in result.lines] == list(range(flight.frames))
        for line in result.lines:
            assert set(line) == QUERY_FIELDS
            assert line["type"] == "query"
            empty = line["decision"] in ("empty_database", "stationary")
            assert (line["match_idx"] is None) is empty
            assert (line["score"] is None) is empty
            assert (line["confidence"] is None) is empty
            reached = line["decision"] in ("accepted", "too_few_matches", "too_few_inliers")
            assert (line["inliers"] is not None) is reached
        assert [q["decision"] for q in result.lines].count("accepted") == 12

    def test_all_prints_every_kind(self, quick: Make, flight: Any) -> None:
        result = quick(flight.path, "--records", "all")
        kinds = [line["type"] for line in result.lines]
        assert (kinds.count("query"), kinds.count("loop_closure")) == (60, 12)
        assert [line["state"] for line in result.lines if line["type"] == "stream"] == [
            "connected",
            "ended",
        ]

    def test_without_geometry_inliers_are_minus_one(self, run: Make, flight: Any) -> None:
        result = run(flight.path, "--no-verify-geom")
        assert len(result.lines) == 12
        for line in result.lines:
            assert (line["inliers"], line["geom_verified"]) == (-1, False)
            assert line["homography"] is None
        queries = run(flight.path, "--no-verify-geom", "--records", "queries").lines
        assert {line["inliers"] for line in queries} == {None}

    def test_images_have_no_time(self, run: Make, pan: Make, tmp_path: Path) -> None:
        folder = tmp_path / "shots"
        folder.mkdir()
        for index, picture in enumerate(pan(0, 50, 48)):
            assert cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
        first, second = run(folder).lines
        assert (first["query_time"], first["match_time"]) == (None, None)
        assert first["query_path"] == str(folder / "48.png")
        assert second["match_path"] == str(folder / "1.png")
        assert first["stream"] == "shots"

    def test_the_names_that_are_given(self, quick: Make, flight: Any) -> None:
        result = quick(f"left={flight.path}", flight.path, flight.path, "--records", "queries")
        assert {line["stream"] for line in result.lines} == {"left", "flight", "flight-2"}

    def test_no_closure_is_no_error(self, quick: Make, flight: Any) -> None:
        result = quick(flight.path, "--exclude-recent", 999)
        assert (result.code, result.out) == (0, b"")

    def test_the_summary_goes_to_stderr_and_quiet_leaves_it_out(
        self, quick: Make, flight: Any
    ) -> None:
        assert "60 frames, 12 loop closures" in quick(flight.path).err
        assert quick(flight.path, "--quiet").err == ""

    def test_the_output_folder(self, run: Make, flight: Any, tmp_path: Path) -> None:
        result = run(flight.path, "--output-dir", tmp_path / "a" / "b")
        assert result.code == 0
        assert_is_an_output_folder(tmp_path / "a" / "b", result.lines)

    def test_a_second_run_into_the_same_folder_leaves_no_old_pictures(
        self, quick: Make, flight: Any, tmp_path: Path
    ) -> None:
        quick(flight.path, "--output-dir", tmp_path)
        result = quick(flight.path, "--output-dir", tmp_path, "--duration", 5.2)
        assert len(result.lines) == 4
        assert_is_an_output_folder(tmp_path, result.lines)

    def test_its_settings_repeat_the_run_byte_for_byte(
        self, cli: Make, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        first = run(flight.path, "--output-dir", tmp_path, "--records", "all", "--seed", 3)
        again = cli("run", flight.path, "--config", tmp_path / "run.toml")
        assert again.code == 0
        assert again.out == first.out

    def test_the_settings_of_the_default_model_repeat_the_run(
        self, cli: Make, flight: Any, tmp_path: Path
    ) -> None:
        first = cli("run", flight.path, "--output-dir", tmp_path, "--duration", 1)
        again = cli("run", flight.path, "--config", tmp_path / "run.toml")
        assert (first.code, again.code) == (0, 0), again.err
        assert again.out == first.out


class TestMatch:
    def test_it_writes_what_the_article_does_into_outputs(
        self,
        cli: Make,
        make_flight: Make,
        tiny_model: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        database, query = make_flight(0, frames=48), make_flight(0)
        result = cli(
            "match", database.path, query.path, "--model", tiny_model, "--fps", 0, "--top-k", 2
        )
        assert result.code == 0
        assert [line["match_idx"] for line in result.lines] == [q % 48 for q in range(60)]
        assert_is_an_output_folder(tmp_path / "outputs", result.lines)
        for record in json.loads((tmp_path / "outputs" / "loop_closures.json").read_text()):
            assert set(record) == LOOP_FIELDS > ARTICLE_FIELDS
            assert record["query_path"] == str(query.path)
            assert record["match_path"] == str(database.path)
            assert record["stream"] != record["match_stream"]

    def test_queries_are_those_of_the_query_alone(
        self, cli: Make, make_flight: Make, tiny_model: Path, tmp_path: Path
    ) -> None:
        database, query = make_flight(0, frames=48), make_flight(1, frames=20)
        arguments = ("--model", tiny_model, "--fps", 0, "--records", "queries", "--top-k", 2)
        result = cli("match", database.path, query.path, *arguments, "--output-dir", tmp_path)
        assert [line["query_idx"] for line in result.lines] == list(range(20))
        assert (tmp_path / "queries.jsonl").read_bytes() == result.out
        (matrix,) = json.loads((tmp_path / "summary.json").read_text())["matrices"]
        assert matrix["queries"] == list(range(20))
        assert matrix["places"] == [[None, database.path.stem, index] for index in range(48)]
        assert not [line for line in result.lines if line["decision"] == "accepted"]
        assert {line["decision"] for line in result.lines} == {"below_threshold"}
        assert json.loads((tmp_path / "loop_closures.json").read_text()) == []


class TestEval:
    @pytest.fixture
    def positives(self, tmp_path: Path) -> Path:
        """The truth of the flight, and two frames with a right pair that the run cannot find."""
        path = tmp_path / "positives.csv"
        pairs = [(query, query - 48) for query in range(48, 60)] + [(20, 3), (30, 29)]
        path.write_text("query_idx,match_idx\n" + "".join(f"{q},{m}\n" for q, m in pairs))
        return path

    def test_it_scores_what_run_printed(
        self, cli: Make, quick: Make, flight: Any, positives: Path, tmp_path: Path
    ) -> None:
        records = tmp_path / "records.jsonl"
        records.write_bytes(quick(flight.path, "--records", "queries").out)
        plot = tmp_path / "curve.png"
        result = cli("eval", records, "--ground-truth", positives, "--exclude", 10, "--plot", plot)
        assert result.code == 0
        (scores,) = result.lines
        assert (scores["queries"], scores["queries_with_positives"]) == (60, 13)
        assert (scores["precision"], scores["stationary"]) == (1.0, 0)
        for share in ("recall", "recall_at_1", "average_precision", "max_recall_at_100_precision"):
            assert scores[share] == pytest.approx(12 / 13, abs=1e-5)
        assert plot.read_bytes().startswith(PNG)

    def test_records_may_come_through_a_pipe(
        self, process: Make, quick: Make, flight: Any, positives: Path
    ) -> None:
        records = quick(flight.path, "--records", "queries").out
        result = process("eval", "-", "--ground-truth", positives, input=records)
        assert result.code == 0
        assert result.lines[0]["queries"] == 60

    @pytest.mark.parametrize(
        ("records", "truth"),
        [
            (None, "query_idx,match_idx\n"),
            ("no json\n", "query_idx,match_idx\n"),
            ("", None),
            ("", "a,b\n1,2\n"),
            ("", "query_idx,match_idx\n1,two\n"),
        ],
    )
    def test_what_cannot_be_read_is_exit_code_5(
        self, cli: Make, tmp_path: Path, records: str | None, truth: str | None
    ) -> None:
        paths = tmp_path / "records.jsonl", tmp_path / "positives.csv"
        for path, text in zip(paths, (records, truth), strict=True):
            if text is not None:
                path.write_text(text)
        result = cli("eval", paths[0], "--ground-truth", paths[1])
        assert (result.code, result.out) == (5, b"")
        assert result.error

    def test_a_plot_that_cannot_be_written_is_exit_code_5(
        self, cli: Make, tmp_path: Path, positives: Path
    ) -> None:
        records = tmp_path / "records.jsonl"
        records.touch()
        plot = tmp_path / "no" / "such" / "curve.png"
        result = cli("eval", records, "--ground-truth", positives, "--plot", plot)
        assert result.code == 5
        assert str(plot) in result.error


class TestModels:
    def test_models_lists_those_of_the_user_too(
        self, cli: Make, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(tiny_model.parent))
        result = cli("models", "--json")
        assert result.code == 0
        found = {line["name"]: line for line in result.lines}
        assert found["tiny"]["dimension"] == 193
        assert found["tiny"]["input"] == "32x32"
        assert found["tiny"]["licence"] == "Apache-2.0"
        assert found["tiny"]["milliseconds"] >= 0
        assert "tiny" in cli("models").out.decode()

    def test_a_model_by_name(
        self, cli: Make, tiny_model: Path, flight: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(tiny_model.parent))
        result = cli("run", flight.path, "--model", "tiny", "--fps", 0, "--top-k", 2)
        assert (result.code, len(result.lines)) == (0, 12)

    def test_a_model_that_cannot_be_used_is_listed_with_the_reason(
        self, cli: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "bare.onnx").write_bytes(b"no model")
        monkeypatch.setenv("STREAMVPR_MODELS", str(tmp_path))
        found = {line["name"]: line for line in cli("models", "--json").lines}
        assert "no card" in found["bare"]["error"]

    def test_models_lists_networks_too(self, cli: Make) -> None:
        lines = cli("models", "--json").lines
        offers = {line["name"]: line for line in lines if line["type"] == "network"}
        assert set(offers) == {network.name for network in NETWORKS}
        assert all(offer["milliseconds"] > 0 for offer in offers.values())
        assert "efficientnet-lite0-gem" in offers["efficientnet-lite0-gem"]["exported"]
        assert {line["type"] for line in lines} == {"model", "network"}
        assert "streamvpr export cosplace --weights" in cli("models").out.decode()


def test_the_demo_comes_back_and_finds_where_it_was(cli: Make, tmp_path: Path) -> None:
    result = cli("demo", "--output-dir", tmp_path)
    assert result.code == 0
    assert len(result.lines) >= 3
    for line in result.lines:
        assert set(line) == LOOP_FIELDS
        # A view overlaps with those of a second before and after.
        assert line["query_time"] >= LAP_SECONDS - 1
        assert line["query_time"] - line["match_time"] == pytest.approx(LAP_SECONDS, abs=1.01)
        assert line["geom_verified"] is True
    assert np.all(np.diff([line["query_idx"] for line in result.lines]) > 0)
    assert json.loads((tmp_path / "loop_closures.json").read_text()) == result.lines
    assert len(list((tmp_path / "matches").iterdir())) == len(result.lines)
    assert (tmp_path / "similarity_plot.png").is_file()
    assert str(tmp_path / "matches") in result.err
