"""Comparing models: the commands it runs, the tables it prints, and once all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from compare_models import (
    Course,
    Row,
    Scores,
    eval_arguments,
    main,
    read_courses,
    render_table,
    run_arguments,
)
from onnx import TensorProto, helper, save

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 32
CARD = """
name = "tiny"
licence = "MIT"
source = "made by a test"
dimension = 48
[input]
width = 32
height = 32
[threshold]
value = 0.5
without_geometry = 0.5
"""
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


def make_tiny_model(path: Path) -> Path:
    """Mean colours of sixteen squares: no network, but a descriptor."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["m"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["m"], ["flat"], axis=1),
        helper.make_node("LpNormalization", ["flat"], ["descriptors"], axis=1, p=2),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, 3])
    descriptors = helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["N", 48])
    graph = helper.make_graph(nodes, "tiny", [images], [descriptors])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".toml").write_text(CARD, encoding="utf-8")
    return path


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
    make_loop(tmp_path / "pictures")
    write_pairs(tmp_path / "loop.csv", [(index + 5, index) for index in range(5)])
    twice = [(query, match) for query in range(10) for match in (query % 5, query % 5 + 5)]
    write_pairs(tmp_path / "twice.csv", twice)
    path = tmp_path / "sequences.toml"
    path.write_text(SEQUENCES, encoding="utf-8")
    return path


def test_from_the_description_to_the_tables(
    sequences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    model = make_tiny_model(tmp_path / "tiny.onnx")
    assert main([str(sequences), str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith("geometry")] == [
        "With geometry",
        "Without geometry",
    ]
    assert lines.count("| model | MB | CPU ms | loop | twice |") == 2
    perfect = "1.00 / 1.00 / 1.00 / 1.00 / 1.00"
    assert lines[-2].startswith("| tiny | 0.0 | ")
    assert lines[-2].endswith(f" | {perfect} | {perfect} |")


def test_paths_start_from_the_file(sequences: Path) -> None:
    loop, twice = read_courses(sequences)
    folder = str(sequences.parent / "pictures")
    assert (loop.sources, twice.sources) == ([folder], [folder, folder])
    assert loop.positives == str(sequences.parent / "loop.csv")
    assert (loop.exclude, twice.exclude) == (3, None)


def test_the_commands(tmp_path: Path) -> None:
    course = Course(
        name="a", kind="run", sources=["a.mp4"], positives="a.csv", exclude=7, options=["--fps=0"]
    )
    model = tmp_path / "m.onnx"
    assert run_arguments(model, course, "out") == [
        *("run", "a.mp4", "--model", str(model), "--records", "queries", "--fps=0"),
        *("--exclude-recent", "7"),
    ]
    assert eval_arguments(tmp_path, course) == [
        *("eval", str(tmp_path), "--ground-truth", "a.csv", "--exclude", "7")
    ]


def test_a_figure_that_is_not_there_is_a_dash(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(bytes(1_250_000))
    scores = Scores(
        recall_at_1=0.5,
        average_precision=None,
        max_recall_at_100_precision=0,
        precision=None,
        recall=1,
    )
    course = Course(name="a", kind="run", sources=[], positives="")
    table = render_table([course], [Row(model, 12.6, [scores])])
    assert table.splitlines() == [
        "| model | MB | CPU ms | a |",
        "| --- | --- | --- | --- |",
        "| m | 1.2 | 13 | 0.50 / - / 0.00 / - / 1.00 |",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "missing required field `sequence`"),
        ('[[sequence]]\nname = "a"\nkind = "walk"', "Invalid enum value 'walk'"),
        (SEQUENCES.replace("exclude", "exclud"), "unknown field `exclud`"),
    ],
)
def test_mistakes_in_the_file(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sequences.toml"
    path.write_text(content, encoding="utf-8")
    assert main([str(path), "none.onnx"]) == 1
    assert said in capsys.readouterr().err


def test_a_model_without_a_card(
    sequences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tiny_model(tmp_path / "tiny.onnx")
    model.with_suffix(".toml").unlink()
    assert main([str(sequences), str(model)]) == 1
    assert "has no card" in capsys.readouterr().err
