"""The streams of a folder against what is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr import runs
from streamvpr.config import RunOptions
from streamvpr.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamvpr.report.reading import Results
    from streamvpr.runs import ScoredRun


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of how right a run was."""

    scored: list[ScoredRun]
    """A stream each; none where no right pairs are known."""
    exclusion: int | None = None
    """Only pairs with query_idx - match_idx > N counted, in all streams; None: all, or as many as
    differ."""


def judge(
    results: Results,
    ground_truth: Sequence[Path],
    gps_radius: float | None,
    exclude: Sequence[int],
) -> Judgement:
    """Score each stream against right pairs, or against those within so many metres.

    Raises ConfigError, and StoreError where ground truth cannot be read or there is nothing to be
    judged.
    """
    if not ground_truth and gps_radius is None:
        if exclude:
            raise ConfigError("--exclude is about right pairs: give --ground-truth or --gps-radius")
        return Judgement([])
    if not results.has_queries:
        raise StoreError(
            f"{results.folder} has no queries.jsonl, so that its frames cannot be judged; it is of "
            "an older version: run again"
        )
    own = exclusion(results)
    excludes = list(exclude) or ([] if own is None else [own])
    truths = runs.truths(len(results.streams), ground_truth, gps_radius, excludes)
    scored = [
        runs.score_queries(stream.name, stream.queries, truth)
        for stream, truth in zip(results.streams, truths, strict=True)
    ]
    return Judgement(scored, excludes[0] if len(set(excludes)) == 1 else None)


def exclusion(results: Results) -> int | None:
    """How many of the newest frames could not match in the run; None in a match, where all can."""
    if results.command == "match":
        return None
    options = RunOptions(
        exclude_recent=results.settings.get("exclude-recent"),
        min_loop_gap=results.settings.get("min-loop-gap", 0),
        exclude_seconds=results.settings.get("exclude-seconds"),
    )
    return options.exclusion().gap - 1
