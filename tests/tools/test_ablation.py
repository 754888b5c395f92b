"""The ablation: what it runs, what it writes, what it says of failures, what a frame costs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ablation
import msgspec
import pytest
from ablation import BEGIN, END, Failed, Measured, Row, Table, command, main, read_rows
from children import Finished, run_child
from cost import count_frames, milliseconds_a_frame, only_first_pictures
from courses import Course, Scores, read_courses

if TYPE_CHECKING:
    from typing import Any

TOOLS = Path(ablation.__file__).parent

ROWS = """
[[row]]
name = "similarity alone"
options = ["--no-verify-geom"]

[[row]]
name = "of tomorrow"
options = ["--no-such-part", "3"]

[[row]]
name = "another program"
program = "other.py"
run = ["--slowly"]
"""
# Half a second to start, and a twentieth for each picture; every match it names is right.
OTHER = """
import json, os, sys, time

def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

assert sys.argv[1] == "run" and sys.argv[-1] == "--slowly", sys.argv
work(0.5)
for index, name in enumerate(sorted(os.listdir(sys.argv[2]))):
    work(0.05)
    match = index - 5 if index > 4 else None
    print(json.dumps({"type": "query", "query_idx": index, "match_idx": match, "score": 1.0}))
"""
# So little work may take no time, or less, on a machine that others use.
FIGURES = r"((?:[\d.]+|-)(?: / (?:[\d.]+|-)){4}) / (-?\d+|-)"


def scores(value: float | None) -> Scores:
    return Scores(**dict.fromkeys(Scores.__struct_fields__, value))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "other.py").write_text(OTHER)
    path = tmp_path / "rows.toml"
    path.write_text(ROWS)
    return path


@pytest.fixture
def loop_only(sequences: Path) -> Path:
    first = sequences.read_text().split("[[sequence]]")[1]
    sequences.write_text(f"[[sequence]]{first}")
    return sequences


@pytest.fixture
def arguments(loop_only: Path, rows: Path, squares_model: Path) -> list[str]:
    options = {"--rows": rows, "--sequences": loop_only, "--models": squares_model}
    return [str(word) for option in options.items() for word in option]


def test_from_rows_to_a_page(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold table\n{END}\nafter\n")
    kept = tmp_path / "kept"
    assert main([*arguments, "--into", str(page), "--keep", str(kept)]) == 0
    assert capsys.readouterr().out == ""
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old table" not in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert table[0] == "| row | added to `run` and `match` | loop |"
    similarity, tomorrow, other = table[2:]
    assert similarity.startswith("| similarity alone | `--no-verify-geom` | ")
    assert tomorrow == "| of tomorrow | `--no-such-part 3` | refused: 1 |"
    assert re.search(r"^1\. streamvpr: error: .*--no-such-part", text, re.MULTILINE)
    assert other.startswith("| another program | `other.py`, `run: --slowly` | ")
    figures = [re.search(rf"\| {FIGURES} \|$", line) for line in (similarity, other)]
    assert [found and found[1] for found in figures] == [
        "1.00 / 1.00 / 1.00 / 1.00 / 1.00",
        "1.00 / 1.00 / 1.00 / - / 0.00",
    ]
    assert figures[1] is not None
    assert 45 <= int(figures[1][2]) <= 65, "what each picture took, without starting up"
    assert sorted(path.name for path in kept.iterdir()) == [
        "tiny-another-program-loop.jsonl",
        "tiny-similarity-alone-loop.jsonl",
    ]


def test_a_row_that_breaks_is_shown_and_ends_in_an_error(
    arguments: list[str], rows: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.write_text('[[row]]\nname = "broken"\nprogram = "other.py"\noptions = ["--oops"]')
    assert main(arguments) == 1
    written = capsys.readouterr()
    assert "| broken | `other.py --oops` | failed (1): 1 |" in written.out
    assert "1. AssertionError: [" in written.out


def test_a_page_without_a_place_is_said_before_anything_runs(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("no place\n")
    assert main([*arguments, "--into", str(page)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert BEGIN in error
    assert page.read_text() == "no place\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "missing required field `row`"),
        ('[[row]]\noptions = ["--fps"]', "missing required field `name`"),
        ('[[row]]\nname = "a"\noption = []', "unknown field `option`"),
        ('[[row]]\nname = "a"\noptions = "--fps 0"', "Expected `array`"),
        ('[[row]]\nname = "a"\nprogram = "none.py"', "none.py, which is not there"),
    ],
)
def test_mistakes_in_the_rows(
    arguments: list[str], rows: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.write_text(content)
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


def test_options_of_a_kind_go_to_sequences_of_that_kind(tmp_path: Path) -> None:
    row = Row(name="a", options=["--both"], run=["--online"], match=["--offline"])
    loop = Course(name="l", kind="run", sources=["a"], positives="p", exclude=3, options=["--x"])
    twice = Course(name="t", kind="match", sources=["a", "b"], positives="p")
    online, offline = (command(tmp_path, row, course, "out") for course in (loop, twice))
    assert online[1:] == [
        *("-m", "streamvpr", "run", "a", "--model", str(tmp_path), "--exclude-recent", "3"),
        *("--records", "all", "--x", "--both", "--online", "--log-level", "error"),
    ]
    assert offline[3:] == [
        *("match", "a", "b", "--model", str(tmp_path), "--records", "all"),
        *("--output-dir", "out", "--both", "--offline", "--log-level", "error"),
    ]


def test_reasons_stand_once_below_the_table(tmp_path: Path) -> None:
    failed = [Failed(2, "no a"), Failed(3, "no b"), Failed(2, "no a")]
    good = [Measured(scores(0.5), 12.4), Measured(scores(None), None), Failed(2, "no b")]
    courses = [Course(name=name, kind="run", sources=[], positives="") for name in "xyz"]
    table = Table(tmp_path / "m.onnx", [failed, good])
    lines = ablation.render_table(table, [Row(name="r"), Row(name="s")], courses).splitlines()
    assert lines[2:] == [
        "| r |  | refused: 1 | failed (3): 2 | refused: 1 |",
        "| s |  | 0.50 / 0.50 / 0.50 / 0.50 / 0.50 / 12 | - / - / - / - / - / - | refused: 2 |",
        "",
        "1. no a",
        "2. no b",
    ]


class TestCost:
    def finished(self, records: str, seconds: float = 0, code: int = 0) -> Finished:
        return Finished(code, records.encode(), "", seconds)

    def test_frames_are_what_the_sources_had(self) -> None:
        ended = '{"type":"stream","state":"ended","frames":%d}\n'
        started = '{"type":"stream","state":"connected","frames":0}\n'
        queries = '{"type":"query","query_idx":0}\n' * 3
        assert count_frames((started + ended % 7 + queries + ended % 3).encode()) == 10
        assert count_frames(queries.encode()) == 3
        assert count_frames(b"") == 0

    def test_starting_up_is_taken_out(self) -> None:
        query = '{"type":"query"}\n'
        whole, first = self.finished(query * 11, 3.5), self.finished(query, 1.5)
        assert milliseconds_a_frame(whole, first) == pytest.approx(200)

    def test_what_cannot_be_told_is_none(self) -> None:
        query = '{"type":"query"}\n'
        whole = self.finished(query * 2, 2)
        assert milliseconds_a_frame(whole, self.finished(query * 2, 1)) is None
        assert milliseconds_a_frame(whole, self.finished("", 1, code=4)) is None

    def test_the_first_pictures_alone(self, sequences: Path, tmp_path: Path, flight: Any) -> None:
        _, twice = read_courses(sequences)
        (tmp_path / "work").mkdir()
        alone = only_first_pictures(twice, tmp_path / "work")
        first, second = (list(Path(source).iterdir()) for source in alone.sources)
        assert [[path.name for path in found] for found in (first, second)] == [["00.png"]] * 2
        original = sequences.parent / "pictures" / "00.png"
        assert first[0].read_bytes() == original.read_bytes()
        video = msgspec.structs.replace(twice, sources=[str(flight.path)])
        (source,) = only_first_pictures(video, tmp_path / "work").sources
        assert count_pictures(source) == 1

    def test_a_child_is_charged_for_its_own_work_alone(self) -> None:
        spin = "import time\nwhile time.process_time() < {}: pass\nprint('there')"
        long, short = (run_child([sys.executable, "-c", spin.format(s)]) for s in (0.6, 0.2))
        assert (long.code, long.out, long.said) == (0, b"there\n", "")
        assert 0.6 <= long.cpu_seconds < 0.8
        assert 0.2 <= short.cpu_seconds < 0.4

    def test_a_child_that_fails_says_why(self) -> None:
        code = "import sys; print('x' * 200_000); sys.exit('first\\nlast')"
        done = run_child([sys.executable, "-c", code])
        assert (done.code, len(done.out), done.last_words) == (1, 200_001, "last")
        silent = run_child([sys.executable, "-c", "raise SystemExit(5)"])
        assert silent.last_words == "exit code 5, and not a word"
        killed = run_child([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
        assert killed.code == -9


def count_pictures(source: str) -> int:
    from streamvpr import open_source

    opened = open_source(source, name="x")
    try:
        return sum(1 for _ in opened.frames())
    finally:
        opened.close()


def test_the_rows_and_sequences_that_ship() -> None:
    rows = read_rows(TOOLS / "ablation.toml")
    assert len({row.name for row in rows}) == len(rows) > 1
    assert rows[0].program == os.fspath(TOOLS / "article_baseline.py")
    assert Path(rows[0].program).is_file()
    courses = read_courses(TOOLS / "sequences.toml", Path("/data"))
    assert [course.name for course in courses] == ["corridor", "seasons", "drone", "walk-lateral"]
    assert courses[0].sources == ["/data/corridor/images"]


def test_the_page_has_its_place() -> None:
    ablation.Page.read(TOOLS.parent / "docs" / "recognition.md")
