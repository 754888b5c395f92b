"""The article's program as it was written, to measure what it costs; and the measuring."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from streamvpr.evaluation import read_queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Make = Callable[..., Any]

PLACES, AGAIN = 4, 2
QUICK = ("--size", "64", "--threads", "1", "--exclude-recent", "1")


@pytest.fixture(scope="module")
def seed_baseline() -> ModuleType:
    pytest.importorskip("torch", reason="exporting networks needs torch")
    pytest.importorskip("torchvision", reason="exporting networks needs torchvision")
    import seed_baseline

    return seed_baseline


@pytest.fixture(scope="module")
def scenes(texture: Make, noisy: Make) -> list[Any]:
    """Four places, and two of them again."""
    return [noisy(texture(index % PLACES), index) for index in range(PLACES + AGAIN)]


@pytest.fixture
def folder(scenes: list[Any], tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for index, picture in enumerate(scenes):
        # 10.png comes after 2.png.
        cv2.imwrite(str(path / f"{2 * index}.png"), picture[..., ::-1])
    return path


@pytest.fixture
def video(scenes: list[Any], make_video: Make, tmp_path: Path) -> Path:
    path: Path = make_video(tmp_path / "flight.mp4", scenes)
    return path


@pytest.fixture
def queries(seed_baseline: ModuleType, capsys: pytest.CaptureFixture[str]) -> Make:
    """Run it; the records, after a look at what is said beside them."""

    def run(source: Path, *options: object) -> list[Any]:
        code = seed_baseline.main([str(source), *QUICK, *map(str, options)])
        out, err = capsys.readouterr()
        assert code == 0, err
        lines = out.splitlines()
        assert json.loads(lines[-1])["frames"] == PLACES + AGAIN
        assert re.fullmatch(r"seed_baseline: 6 frames, \d+\.\d{3} CPU s a frame\n", err)
        return read_queries(lines)

    return run


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_places_that_come_again_are_found(
    kind: str, queries: Make, folder: Path, video: Path
) -> None:
    source = {"folder": folder, "video": video}[kind]
    found = queries(source, "--features", 1000)
    assert {query.stream for query in found} == {source.stem}
    assert [query.query_idx for query in found] == list(range(PLACES + AGAIN))
    assert [query.decision for query in found[:2]] == ["empty_database"] * 2
    assert [(q.decision, q.match_idx) for q in found[PLACES:]] == [("accepted", 0), ("accepted", 1)]
    assert {q.confidence for q in found} == {None}


def test_the_same_seed_gives_the_same_records(queries: Make, folder: Path) -> None:
    assert queries(folder) == queries(folder)
    assert queries(folder) != queries(folder, "--seed", 1)


def test_the_network_is_cut_after_the_last_stage_of_the_weights(
    seed_baseline: ModuleType, tmp_path: Path
) -> None:
    import torch

    whole = seed_baseline.open_network(None)
    assert whole.kept[-1] == "layer4"
    state = {k: v for k, v in whole.state_dict().items() if not k.startswith(("layer4", "gem"))}
    torch.save(state, tmp_path / "cut.pth")
    assert seed_baseline.open_network(tmp_path / "cut.pth").kept[-1] == "layer3"


def test_strides_stand_where_the_weights_were_trained(seed_baseline: ModuleType) -> None:
    weights = Path(__file__).parents[3] / "shared" / "weights" / "resnet50_conv4_imagenet.pth"
    if not weights.exists():
        pytest.skip("no trained weights here")
    network = seed_baseline.open_network(weights)
    assert network.layer2[0].conv1.stride == (2, 2)


@pytest.mark.parametrize(("name", "code"), [("none.mp4", 4), ("empty", 4), ("no.mp4", 4)])
def test_what_cannot_be_read(
    name: str,
    code: int,
    seed_baseline: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.mp4").write_text("no video")
    assert seed_baseline.main([str(tmp_path / name), *QUICK]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("seed_baseline: error: ")
    assert name in err


def test_weights_that_are_none(
    seed_baseline: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = seed_baseline.main([str(folder), *QUICK, "--weights", str(folder / "none.pth")])
    assert code == 3
    assert "none.pth" in capsys.readouterr().err


class TestCost:
    def test_a_table_of_what_both_take(
        self,
        seed_baseline: ModuleType,
        folder: Path,
        squares_model: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
        import seed_cost

        line = [str(folder), "--models", str(squares_model), "--repeats", "1"]
        assert seed_cost.main([*line, "--exclude-recent", "1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("Measured on 2")
        assert lines[2] == f"**{folder}**"
        header, _, article, run = lines[4:8]
        columns = "program | still | CPU ms a frame | least to most | the article's to that"
        assert header == f"| {columns} |"
        figures = r"0 of 6 \| \d+ \| \d+ to \d+ \| \d+\.\d"
        assert re.fullmatch(rf"\| the article's program \| {figures} \|", article)
        # Six tiny frames cost less than what starting a program varies by.
        noise = figures.replace(r"\d+", r"-?\d+", 3).replace(r"\d+\.", r"-?\d+\.")
        assert re.fullmatch(rf"\| `run`, tiny \| {noise} \|", run)

    def test_the_median_of_the_ratios_of_the_turns(self) -> None:
        from seed_cost import Cost, Program, render

        programs = [Program(name, (), ()) for name in ("a", "b")]
        turns = [(100.0, 50.0), (300.0, 100.0), (400.0, 40.0)]
        costs = [[Cost(article, 9, 0), Cost(run, 9, 2)] for article, run in turns]
        table = render(programs, costs)
        assert table.splitlines()[2:-1] == [
            "| a | 0 of 9 | 300 | 100 to 400 | 1.0 |",
            "| b | 2 of 9 | 50 | 40 to 100 | 3.0 |",
        ]

    def test_a_program_that_fails_says_why(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from seed_cost import main

        assert main([str(tmp_path), "--models", "no-such-model"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "no-such-model" in error
