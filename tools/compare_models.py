#!/usr/bin/env python3
"""Compare models on sequences with known matches, through streamvpr's own command line.

    python tools/compare_models.py sequences.toml models/*.onnx

Each model needs its card beside it, whose thresholds apply. Every sequence is run twice, with
geometry and without, and scored by `streamvpr eval`; two Markdown tables go to standard output.
The sequences are described in a TOML file, whose folder the paths in it start from:

    [[sequence]]
    name = "office"
    kind = "run"                        # each frame against the past
    sources = ["office.mp4"]
    positives = "office.csv"            # query_idx,match_idx
    exclude = 20                        # the newest frames that don't count, in run and in eval
    options = ["--fps", "0"]            # anything else that `streamvpr run` takes

    [[sequence]]
    name = "park"
    kind = "match"                      # each frame of the second against all of the first
    sources = ["park/summer", "park/winter"]
    positives = "park/positives.csv"

It needs streamvpr with ONNX Runtime. Time is that of the processor, so that what else runs on the
machine does little to it: the median for one picture on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from streamvpr.embedding import open_embedder
from streamvpr.errors import StreamVPRError

WARM_UPS, TIMED_RUNS = 3, 31
MODES = {"With geometry": (), "Without geometry": ("--no-verify-geom",)}
"""The tables' titles, and the options of `run` and `match` behind them."""


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sequence to run, as the TOML file describes it."""

    name: str
    kind: Literal["run", "match"]
    sources: list[str]
    positives: str
    exclude: int | None = None
    options: list[str] = []


class Courses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TOML file."""

    sequence: list[Course]


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What `streamvpr eval` prints, as far as the tables show it, in their order."""

    recall_at_1: float | None
    average_precision: float | None
    max_recall_at_100_precision: float | None
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A model and its scores, one a sequence."""

    model: Path
    milliseconds: float
    scores: list[Scores]


def main(arguments: list[str] | None = None) -> int:
    """Run, score, print; 1 with a line on stderr when something fails."""
    options = parse(arguments)
    try:
        courses = read_courses(options.sequences)
        times = {model: milliseconds_per_picture(model) for model in options.models}
        for title, flags in MODES.items():
            rows = [
                Row(model, times[model], [score(model, course, flags) for course in courses])
                for model in options.models
            ]
            print(f"{title}\n\n{render_table(courses, rows)}", flush=True)
    except (OSError, msgspec.MsgspecError, StreamVPRError, RuntimeError) as error:
        print(f"compare_models: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sequences", type=Path, metavar="SEQUENCES.toml")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL.onnx")
    return parser.parse_args(arguments)


def read_courses(path: Path) -> list[Course]:
    """The sequences in a TOML file, their paths made absolute."""
    folder = path.resolve().parent
    courses = msgspec.toml.decode(path.read_bytes(), type=Courses).sequence
    return [
        msgspec.structs.replace(
            course,
            sources=[str(folder / source) for source in course.sources],
            positives=str(folder / course.positives),
        )
        for course in courses
    ]


def milliseconds_per_picture(model: Path) -> float:
    """The median processor time of the model for one picture, on one thread."""
    embedder = open_embedder(str(model), device="cpu", threads=1)
    size = embedder.card.input
    shape = (size.height, size.width, 3)
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for _ in range(WARM_UPS):
        embedder.embed([picture])
    times = []
    for _ in range(TIMED_RUNS):
        begin = time.process_time()
        embedder.embed([picture])
        times.append(time.process_time() - begin)
    return 1000 * statistics.median(times)


def score(model: Path, course: Course, flags: tuple[str, ...]) -> Scores:
    """Run a sequence with a model and score what comes out."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        records.write_bytes(run_streamvpr(run_arguments(model, course, folder), flags))
        printed = run_streamvpr(eval_arguments(records, course))
    print(f"{model.stem}, {course.name} {' '.join(flags)}: {printed.decode()}", file=sys.stderr)
    return msgspec.json.decode(printed, type=Scores)


def run_arguments(model: Path, course: Course, folder: str) -> list[str]:
    """The command that makes the records; what else it writes goes to `folder`."""
    common = ["--model", str(model.resolve()), "--records", "queries", *course.options]
    if course.kind == "match":
        common += ["--output-dir", folder]
    if course.exclude is not None:
        common += ["--exclude-recent", str(course.exclude)]
    return [course.kind, *course.sources, *common]


def eval_arguments(records: Path, course: Course) -> list[str]:
    """The command that scores the records."""
    exclude = [] if course.exclude is None else ["--exclude", str(course.exclude)]
    return ["eval", str(records), "--ground-truth", course.positives, *exclude]


def run_streamvpr(arguments: list[str], flags: tuple[str, ...] = ()) -> bytes:
    """What streamvpr prints; RuntimeError with its last words where it fails."""
    command = [sys.executable, "-m", "streamvpr", *arguments, *flags, "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"streamvpr {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout


def render_table(courses: list[Course], rows: list[Row]) -> str:
    """Markdown: a line a model, a column a sequence."""
    names = ["model", "MB", "CPU ms", *(course.name for course in courses)]
    lines = [render_line(names), render_line(["---"] * len(names))]
    return "".join([*lines, *(render_line(render_row(row)) for row in rows)])


def render_row(row: Row) -> list[str]:
    """The cells of a model."""
    megabytes = row.model.stat().st_size / 1e6
    cells = [row.model.stem, f"{megabytes:.1f}", f"{row.milliseconds:.0f}"]
    return cells + [render_scores(scores) for scores in row.scores]


def render_scores(scores: Scores) -> str:
    """The figures of a sequence: two digits each, - where there is none."""
    figures = msgspec.structs.astuple(scores)
    return " / ".join("-" if figure is None else f"{figure:.2f}" for figure in figures)


def render_line(cells: list[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
