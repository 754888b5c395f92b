"""Several runs against their ground truth, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from streamvpr import evaluation
from streamvpr.errors import ConfigError, StoreError
from streamvpr.evaluation import Scores
from streamvpr.truth import Radius, RightPairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from streamvpr.evaluation import CurvePoint
    from streamvpr.records import Query
    from streamvpr.truth import Truth

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """The records of a run, scored."""

    name: str
    scores: Scores
    curve: list[CurvePoint]
    """From the surest queries to all."""


def one_each(values: Sequence[T], runs: int, option: str) -> list[T]:
    """A value for every run, of one for all of them or of one each.

    Raises ConfigError where there are neither one nor as many.
    """
    if len(values) == 1:
        return list(values) * runs
    if len(values) != runs:
        raise ConfigError(
            f"{len(values)} times {option} for {runs} {'run' if runs == 1 else 'runs'}; "
            "give one for all of them, or one for each, in their order"
        )
    return list(values)


def truths(
    runs: int, files: Sequence[Path], radius: float | None, excludes: Sequence[int]
) -> list[Truth]:
    """What is right in each run, by what was asked for. Raises ConfigError."""
    if (radius is not None) == bool(files):
        raise ConfigError(
            "eval needs the right pairs: either --ground-truth CSV, or --gps-radius METRES where "
            "the records hold positions"
        )
    each = one_each(excludes or [None], runs, "--exclude")
    if radius is None:
        return [
            RightPairs(file, exclude)
            for file, exclude in zip(one_each(files, runs, "--ground-truth"), each, strict=True)
        ]
    return [Radius(radius, _needed(exclude)) for exclude in each]


def _needed(exclude: int | None) -> int:
    if exclude is None:
        raise ConfigError(
            "--gps-radius needs --exclude N, the --exclude-recent of the run; without it the frame "
            "just before each is a right match"
        )
    return exclude


def score_run(
    name: str,
    lines: Iterable[str],
    truth: Truth,
    *,
    stream: str | None = None,
) -> ScoredRun:
    """Score the JSON lines of a run. Raises StoreError, which names the run or the ground truth."""
    try:
        queries = evaluation.read_queries(lines, stream=stream)
    except StoreError as error:
        raise StoreError(f"{name}: {error}") from error
    return score_queries(name, queries, truth)


def score_queries(name: str, queries: list[Query], truth: Truth) -> ScoredRun:
    """Score the query records of a run. Raises as `score_run`."""
    judged, positives = truth.judge(name, queries)
    return ScoredRun(
        name,
        evaluation.evaluate(judged, positives),
        evaluation.precision_recall_curve(judged, positives),
    )


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Counts are sums; each share is the mean over the runs that have one, None where none has.

    A mean and no pool of all queries, as the field reports it: a long run does not outvote a short
    one, and confidences, by which a pool would be ranked, compare within a run only.
    """
    return Scores(
        queries=sum(one.queries for one in scores),
        queries_with_positives=sum(one.queries_with_positives for one in scores),
        stationary=sum(one.stationary for one in scores),
        accepted=sum(one.accepted for one in scores),
        recall_at_1=_mean(one.recall_at_1 for one in scores),
        average_precision=_mean(one.average_precision for one in scores),
        max_recall_at_100_precision=_mean(one.max_recall_at_100_precision for one in scores),
        precision=_mean(one.precision for one in scores),
        recall=_mean(one.recall for one in scores),
    )


def as_json(runs: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """What `eval` prints: the scores of one run; of several each with its name, then their mean."""
    if len(runs) == 1:
        return [runs[0].scores.as_json()]
    mean = mean_scores([run.scores for run in runs])
    return [
        *({"run": run.name, **run.scores.as_json()} for run in runs),
        {"mean_of": len(runs), **mean.as_json()},
    ]


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None
