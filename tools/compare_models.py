#!/usr/bin/env python3
"""Compare models on sequences with known matches, through streamvpr's own command line.

    python tools/compare_models.py sequences.toml models/*.onnx

Each model needs its card beside it, whose thresholds apply. Every sequence is run twice, with
geometry and without, and scored by `streamvpr eval`; two Markdown tables go to standard output.
The sequences are described in a TOML file, as tools/courses.py says.

It needs streamvpr with ONNX Runtime. Time is that of the processor, so that what else runs on the
machine does little to it: the median for one picture on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from children import run_child
from courses import (
    STREAMVPR,
    Course,
    Scores,
    eval_arguments,
    read_courses,
    render_line,
    render_scores,
    run_arguments,
)

from streamvpr.embedding import open_embedder
from streamvpr.errors import StreamVPRError

WARM_UPS, TIMED_RUNS = 3, 31
MODES = {"With geometry": (), "Without geometry": ("--no-verify-geom",)}
"""The tables' titles, and the options of `run` and `match` behind them."""


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


def run_streamvpr(arguments: list[str], flags: tuple[str, ...] = ()) -> bytes:
    """What streamvpr prints; RuntimeError with its last words where it fails."""
    done = run_child([*STREAMVPR, *arguments, *flags, "--log-level", "error"])
    if done.code != 0:
        raise RuntimeError(f"streamvpr {arguments[0]} failed: {done.last_words}")
    return done.out


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


if __name__ == "__main__":
    sys.exit(main())
