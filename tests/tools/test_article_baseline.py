"""The article's program: what it sees of a picture, what it decides, what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from article import Checker, Judge, View
from article_baseline import Describer, cut_out, main

from streamvpr.embedding import open_embedder
from streamvpr.evaluation import evaluate, read_queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Make = Callable[..., Any]

PLACES, AGAIN = 6, 3
PAIRS = {PLACES + index: {index} for index in range(AGAIN)}


def window(scene: NDArray[np.uint8], x: int = 0, y: int = 0) -> NDArray[np.uint8]:
    """What a camera sees of a scene from there, large enough for ORB to find its 2000 corners."""
    return np.ascontiguousarray(scene[y : y + 280, x : x + 380])


@pytest.fixture
def pictures(tmp_path: Path, texture: Make, noisy: Make) -> Path:
    """Six places, and three of them again, a little to the side."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(PLACES + AGAIN):
        again, place = divmod(index, PLACES)
        picture = noisy(window(texture(place), 6 * again, 4 * again), index)
        cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
    return folder


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], squares_model: Path) -> Make:
    """Run the program; what it printed."""
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")

    def run(*arguments: object) -> list[str]:
        code = main([*map(str, arguments), "--model", str(squares_model), "--threads", "1"])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out.splitlines()

    return run


def solid(*colours: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Columns of a colour each."""
    return np.tile(np.array(colours, np.uint8), (60, 1, 1))


class TestWhatTheNetworkSees:
    def test_the_middle_at_the_shorter_side(self) -> None:
        blue, red = (0, 0, 255), (255, 0, 0)
        wide = solid(*[blue] * 30, *[red] * 60, *[blue] * 30)
        seen = cut_out(wide, 20, 20)
        assert seen.shape == (20, 20, 3)
        assert (seen[:, 2:-2] == red).all()
        seen = cut_out(wide.transpose(1, 0, 2), 20, 20)
        assert (seen[2:-2] == red).all()

    def test_scaling_down_averages_and_does_not_alias(self) -> None:
        board = np.indices((400, 400)).sum(axis=0) % 2 * 255
        seen = cut_out(np.repeat(board[..., None], 3, axis=2).astype(np.uint8), 100, 100)
        assert np.abs(seen.astype(int) - 127).max() <= 4

    @pytest.mark.parametrize(("height", "width"), [(33, 97), (384, 512), (7, 5), (1, 900)])
    def test_any_picture_gives_what_the_network_takes(self, height: int, width: int) -> None:
        assert cut_out(np.zeros((height, width, 3), np.uint8), 32, 24).shape == (24, 32, 3)

    def test_a_projection_repeats_by_its_seed(self, squares_model: Path, texture: Make) -> None:
        pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
        embedder = open_embedder(str(squares_model), device="cpu", threads=1)
        one, same, other = (
            Describer(embedder, 512, seed).describe(texture(0)) for seed in (0, 0, 1)
        )
        assert one.shape == (512,)
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
        assert (one == same).all()
        assert abs(one @ other) < 0.5


def luma(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


class TestGeometry:
    def test_a_shifted_view_and_another_place(self, texture: Make) -> None:
        here = texture(1)
        place, shifted, other = (
            luma(picture) for picture in (window(here), window(here, 12, 8), window(texture(2)))
        )
        checker = Checker(2000, 0.8, 3.0)
        matches, inliers = checker.check(place, shifted)
        assert 60 < inliers <= matches
        assert checker.check(place, other)[1] < 20

    def test_a_blank_picture_has_no_inliers(self, texture: Make) -> None:
        pair = np.full((120, 160), 90, np.uint8), luma(window(texture(1)))
        checker = Checker(2000, 0.8, 3.0)
        for query, match in (pair, pair[::-1], pair[:1] * 2):
            assert checker.check(query, match) == (0, 0)


def never() -> NDArray[np.uint8]:
    raise AssertionError("nothing is looked at again")


def at(*angles: float) -> list[View]:
    """Views whose cosines are those of the differences of their angles in degrees."""
    turned = np.radians(angles)
    return [View(np.array([np.cos(a), np.sin(a)], np.float32), never) for a in turned]


class TestDecisions:
    def judge(self, gap: int = 0) -> Judge:
        return Judge(None, sim_threshold=0.75, min_inliers=20, min_loop_gap=gap)

    def test_only_the_most_similar_is_looked_at(self) -> None:
        record = self.judge().judge(9, at(0)[0], at(80, 10, 5, 60))
        assert (record.decision, record.match_idx) == ("accepted", 2)
        assert record.score == pytest.approx(np.cos(np.radians(5)), abs=1e-6)
        assert (record.confidence, record.inliers) == (None, None)

    def test_below_the_threshold_the_candidate_is_named(self) -> None:
        record = self.judge().judge(9, at(0)[0], at(50, 60))
        assert (record.decision, record.match_idx) == ("below_threshold", 0)

    def test_a_picture_inside_the_gap_hides_those_beyond(self) -> None:
        known = at(10, 90, 90, 5)
        assert self.judge(gap=6).judge(9, at(0)[0], known).match_idx == 3
        record = self.judge(gap=7).judge(9, at(0)[0], known)
        assert (record.decision, record.match_idx, record.score) == ("empty_database", None, None)

    def test_the_threshold_comes_before_the_gap(self) -> None:
        assert self.judge(gap=7).judge(9, at(0)[0], at(90, 90, 90, 60)).match_idx == 3

    def test_nothing_to_match(self) -> None:
        record = self.judge().judge(0, at(0)[0], [])
        assert (record.decision, record.match_idx) == ("empty_database", None)


class TestProgram:
    def test_online(self, printed: Make, pictures: Path) -> None:
        lines = printed("run", pictures, "--exclude-recent", 2)
        queries = read_queries(lines)
        assert [query.query_idx for query in queries] == list(range(PLACES + AGAIN))
        assert {query.stream for query in queries} == {"pictures"}
        assert [q.decision for q in queries[:3]] == ["empty_database"] * 3
        assert all(q.match_idx < q.query_idx - 2 for q in queries if q.match_idx is not None)
        accepted = {q.query_idx: {q.match_idx} for q in queries if q.decision == "accepted"}
        assert accepted == PAIRS
        assert all(q.inliers is not None and q.inliers >= 20 for q in queries[-AGAIN:])
        assert evaluate(queries, PAIRS).precision == 1
        assert json.loads(lines[-1])["frames"] == PLACES + AGAIN

    def test_online_without_geometry(self, printed: Make, pictures: Path) -> None:
        options = ("--no-verify-geom", "--sim-threshold", 0.9999)
        queries = read_queries(printed("run", pictures, "--exclude-recent", 2, *options))
        assert {q.decision for q in queries} == {"empty_database", "below_threshold"}
        assert {q.inliers for q in queries} == {None}

    def test_offline(self, printed: Make, pictures: Path) -> None:
        lines = printed("match", pictures, pictures)
        queries = read_queries(lines)
        assert [q.match_idx for q in queries] == list(range(PLACES + AGAIN))
        assert {q.decision for q in queries} == {"accepted"}
        ended = [json.loads(line)["frames"] for line in (lines[0], lines[-1])]
        assert ended == [PLACES + AGAIN] * 2

    def test_the_same_bytes_again(self, printed: Make, pictures: Path) -> None:
        assert printed("match", pictures, pictures) == printed("match", pictures, pictures)

    def test_what_is_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["run", str(tmp_path / "a.mp4")])
        assert ended.value.code == 2
        assert "no folder of images" in capsys.readouterr().err

    @pytest.mark.parametrize(("model", "code"), [("none.onnx", 3), ("tiny.onnx", 4)])
    def test_what_cannot_be_opened(
        self, squares_model: Path, model: str, code: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
        empty = squares_model.parent / "empty"
        empty.mkdir()
        assert main(["run", str(empty), "--model", str(empty.parent / model)]) == code
        assert capsys.readouterr().err.startswith("article_baseline: error: ")
