"""Comparing models: the commands it runs, the tables it prints, and once all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from compare_models import Row, main, render_table
from courses import Course, Scores, eval_arguments, read_courses, run_arguments

if TYPE_CHECKING:
    from pathlib import Path


def test_from_the_description_to_the_tables(
    sequences: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    assert main([str(sequences), str(squares_model)]) == 0
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
        *("run", "a.mp4", "--model", str(model), "--exclude-recent", "7"),
        *("--records", "queries", "--fps=0"),
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
        ("[[sequence]]\nexclud = 3", "unknown field `exclud`"),
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
    sequences: Path, squares_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = squares_model
    model.with_suffix(".toml").unlink()
    assert main([str(sequences), str(model)]) == 1
    assert "has no card" in capsys.readouterr().err
