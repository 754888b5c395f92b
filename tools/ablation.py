#!/usr/bin/env python3
"""What each part of the recognition is worth: rows of options on sequences with known matches.

    python tools/ablation.py --data SEQUENCES --into docs/recognition.md

Each row of tools/ablation.toml is run on each sequence of tools/sequences.toml with each model
(`--models`, the bundled one by default), as a program of its own, and scored by `streamvpr eval`.
A Markdown table for each model goes to standard output, or into a file between its two lines

    <!-- ablation -->
    <!-- end of ablation -->

A row is a name and what is added to `streamvpr run` or `streamvpr match`:

    [[row]]
    name = "one candidate"
    options = ["--top-k", "1"]          # of both
    run = ["--min-loop-gap", "5"]       # of sequences of that kind only
    match = []

    [[row]]
    name = "another program"            # run as PROGRAM run|match SOURCE ... --model MODEL
    program = "article_baseline.py"     # [--exclude-recent N] and the row's options; it prints
                                        # `query` records. The path starts from this file.

What a program refuses (exit code 2: an option that does not go together with others, or is not
there yet) stands in the table with the reason; any other failure too, and ends in exit code 1.

**CPU ms** is processor time (user and system, all threads; wait4) of the whole run, decoding,
pictures and records included, for a processed frame. Starting up, most of which is opening the
model, is taken out by a second run of the same command on the first picture of each source alone:
(whole - first pictures alone) / (frames - sources). Each is one run on whatever else the machine
does: trust ratios, and no tenth of them.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
from children import run_child
from cost import milliseconds_a_frame, only_first_pictures
from courses import (
    STREAMVPR,
    Course,
    Scores,
    eval_arguments,
    read_courses,
    render_line,
    render_scores,
    run_arguments,
    what_to_run,
)

from streamvpr.embedding import find_model
from streamvpr.errors import StreamVPRError
from streamvpr.machine import this_machine

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- ablation -->", "<!-- end of ablation -->"
REFUSED = 2
FIGURES = "R@1 / AP / R100 / precision / recall / CPU ms"


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to run the sequences, as the TOML file describes it."""

    name: str
    program: str | None = None
    options: list[str] = []
    run: list[str] = []
    match: list[str] = []


class Rows(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TOML file."""

    row: list[Row]


@dataclass(frozen=True, slots=True)
class Measured:
    """How good a row was on a sequence, and what it cost."""

    scores: Scores
    milliseconds: float | None
    """Of processor time a frame; None where there was no second frame."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is nothing to show."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """A model's results, a list a row, a result a sequence."""

    model: Path
    results: list[list[Measured | Failed]]


def main(arguments: list[str] | None = None) -> int:
    """Run, score, write; 1 with a line on stderr when something fails."""
    options = parse(arguments)
    try:
        courses = read_courses(options.sequences, options.data)
        rows = read_rows(options.rows)
        page = None if options.into is None else Page.read(options.into)
        models = [find_model(model) for model in options.models or [None]]
        tables = [measure_model(model, rows, courses, options.keep) for model in models]
        text = render(tables, rows, courses)
        if page is None:
            print(text, end="")
        else:
            page.fill(text)
    except (OSError, msgspec.MsgspecError, StreamVPRError, RuntimeError) as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 1
    return int(any(is_broken(cell) for table in tables for line in table.results for cell in line))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="names or .onnx files")
    parser.add_argument("--rows", type=Path, default=HERE / "ablation.toml", metavar="TOML")
    parser.add_argument("--sequences", type=Path, default=HERE / "sequences.toml", metavar="TOML")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="where paths of sequences start: the TOML's"
    )
    parser.add_argument("--into", type=Path, metavar="FILE", help="the Markdown page to fill in")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the records there")
    return parser.parse_args(arguments)


def read_rows(path: Path) -> list[Row]:
    """The rows in a TOML file, paths of their programs made absolute.

    Raises OSError, MsgspecError for what is no such file, RuntimeError where a program is missing.
    """
    rows = msgspec.toml.decode(path.read_bytes(), type=Rows).row
    return [with_program(row, path.resolve().parent) for row in rows]


def with_program(row: Row, folder: Path) -> Row:
    """The row with its program, if it has one, by its path from `folder`."""
    if row.program is None:
        return row
    program = folder / row.program
    if not program.is_file():
        raise RuntimeError(f"the row {row.name!r} names the program {program}, which is not there")
    return msgspec.structs.replace(row, program=str(program))


def is_broken(result: Measured | Failed) -> bool:
    """Whether a row did worse than being refused."""
    return isinstance(result, Failed) and result.code != REFUSED


def measure_model(model: Path, rows: list[Row], courses: list[Course], keep: Path | None) -> Table:
    """All rows of a model; what each one gave goes to stderr as it comes."""
    results: list[list[Measured | Failed]] = []
    for row in rows:
        results.append([])
        for course in courses:
            result = measure(model, row, course, keep)
            results[-1].append(result)
            print(f"{model.stem}, {row.name}, {course.name}: {cell(result)}", file=sys.stderr)
            if isinstance(result, Failed):
                print(f"  {result.reason}", file=sys.stderr)
    return Table(model, results)


def measure(model: Path, row: Row, course: Course, keep: Path | None) -> Measured | Failed:
    """Run a row on a sequence, and on its first picture alone, and score it."""
    with tempfile.TemporaryDirectory() as folder:
        done = run_child(command(model, row, course, folder))
        if done.code != 0:
            return Failed(done.code, done.last_words)
        records = keep_records(done.out, keep or Path(folder), model, row, course)
        scored = run_child([*STREAMVPR, *eval_arguments(records, course), "--log-level", "error"])
        if scored.code != 0:
            return Failed(scored.code, scored.last_words)
        first = run_child(command(model, row, only_first_pictures(course, Path(folder)), folder))
    scores = msgspec.json.decode(scored.out, type=Scores)
    return Measured(scores, milliseconds_a_frame(done, first))


def command(model: Path, row: Row, course: Course, folder: str) -> list[str]:
    """The program that makes a row's records; what else it writes goes to `folder`."""
    own = [*row.options, *(row.run if course.kind == "run" else row.match)]
    if row.program is not None:
        return [sys.executable, row.program, *what_to_run(model, course), *own]
    # `all` holds the `query` records, and says how many frames each source had.
    arguments = run_arguments(model, course, folder, records="all")
    return [*STREAMVPR, *arguments, *own, "--log-level", "error"]


def keep_records(out: bytes, folder: Path, model: Path, row: Row, course: Course) -> Path:
    """Write what a run printed, under a name that says which it was."""
    folder.mkdir(parents=True, exist_ok=True)
    words = re.findall(r"\w+", f"{model.stem} {row.name} {course.name}")
    path = folder / f"{'-'.join(words)}.jsonl"
    path.write_bytes(out)
    return path


def render(tables: list[Table], rows: list[Row], courses: list[Course]) -> str:
    """Markdown: what it was measured on, and a table a model with its notes."""
    parts = [f"Measured on {datetime.date.today()}, {this_machine()}. Each cell: {FIGURES}.\n"]
    for table in tables:
        parts.append(f"**{table.model.stem}**\n")
        parts.append(render_table(table, rows, courses))
    return "\n".join(parts)


def render_table(table: Table, rows: list[Row], courses: list[Course]) -> str:
    """A line a row, a column a sequence; below it the reasons of what failed, by number."""
    names = ["row", "added to `run` and `match`", *(course.name for course in courses)]
    lines = [render_line(names), render_line(["---"] * len(names))]
    notes: list[str] = []
    for row, results in zip(rows, table.results, strict=True):
        cells = [noted_cell(result, notes) for result in results]
        lines.append(render_line([row.name, what_is_added(row), *cells]))
    numbered = [f"{number}. {note}\n" for number, note in enumerate(notes, 1)]
    return "".join([*lines, *(["\n", *numbered] if numbered else [])])


def noted_cell(result: Measured | Failed, notes: list[str]) -> str:
    """A cell; the reason of a failure goes to `notes` where it does not stand there yet."""
    if isinstance(result, Measured):
        return cell(result)
    if result.reason not in notes:
        notes.append(result.reason)
    return f"{cell(result)}: {notes.index(result.reason) + 1}"


def cell(result: Measured | Failed) -> str:
    """The figures of a row on a sequence, or how it failed."""
    if isinstance(result, Failed):
        return "refused" if result.code == REFUSED else f"failed ({result.code})"
    cost = "-" if result.milliseconds is None else f"{result.milliseconds:.0f}"
    return f"{render_scores(result.scores)} / {cost}"


def what_is_added(row: Row) -> str:
    """The options of a row, after its program where that is another."""
    words = [*([Path(row.program).name] if row.program else []), *row.options]
    parts = [" ".join(words), *(f"{kind}: {' '.join(own)}" for kind, own in own_options(row))]
    return ", ".join(f"`{part}`" for part in parts if part)


def own_options(row: Row) -> list[tuple[str, list[str]]]:
    """Options of a row that are for one kind of sequence only."""
    return [(kind, own) for kind, own in (("run", row.run), ("match", row.match)) if own]


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown page with a place for the tables."""

    path: Path
    before: str
    after: str

    @classmethod
    def read(cls, path: Path) -> Page:
        """Find the place. Raises RuntimeError where there is none, OSError."""
        text = path.read_text(encoding="utf-8")
        before, begin, rest = text.partition(f"{BEGIN}\n")
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise RuntimeError(f"{path} has no place for tables: it needs lines {BEGIN} and {END}")
        return cls(path, before + begin, end + after)

    def fill(self, text: str) -> None:
        """Put the tables there instead of what stood there. Raises OSError."""
        self.path.write_text(f"{self.before}\n{text}\n{self.after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
