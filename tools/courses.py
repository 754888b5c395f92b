"""Sequences with known matches: how a TOML file describes them, how they are run and scored.

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

Paths start from the file's folder, or from one that is named beside it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

STREAMVPR = (sys.executable, "-m", "streamvpr")


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sequence to run."""

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
    """What `streamvpr eval` prints, as far as tables show it, in their order."""

    recall_at_1: float | None
    average_precision: float | None
    max_recall_at_100_precision: float | None
    precision: float | None
    recall: float | None


def read_courses(path: Path, data: Path | None = None) -> list[Course]:
    """The sequences in a TOML file, their paths made absolute from `data` or the file's folder.

    Raises OSError, and MsgspecError for what is no such file.
    """
    folder = (data or path.parent).resolve()
    courses = msgspec.toml.decode(path.read_bytes(), type=Courses).sequence
    return [
        msgspec.structs.replace(
            course,
            sources=[str(folder / source) for source in course.sources],
            positives=str(folder / course.positives),
        )
        for course in courses
    ]


def what_to_run(model: Path, course: Course) -> list[str]:
    """The part of a command that every program takes: what to do, with what, on which pictures."""
    exclude = [] if course.exclude is None else ["--exclude-recent", str(course.exclude)]
    return [course.kind, *course.sources, "--model", str(model.resolve()), *exclude]


def run_arguments(
    model: Path, course: Course, folder: str, *, records: str = "queries"
) -> list[str]:
    """What streamvpr is told to make the records; what else it writes goes to `folder`."""
    output = ["--output-dir", folder] if course.kind == "match" else []
    return [*what_to_run(model, course), "--records", records, *course.options, *output]


def eval_arguments(records: Path, course: Course) -> list[str]:
    """What streamvpr is told to score the records."""
    exclude = [] if course.exclude is None else ["--exclude", str(course.exclude)]
    return ["eval", str(records), "--ground-truth", course.positives, *exclude]


def render_scores(scores: Scores) -> str:
    """The figures of a sequence: two digits each, - where there is none."""
    figures = msgspec.structs.astuple(scores)
    return " / ".join("-" if figure is None else f"{figure:.2f}" for figure in figures)


def render_line(cells: list[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"
