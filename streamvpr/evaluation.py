"""Query records against ground truth: recall@1, average precision, recall at 100 % precision."""

from __future__ import annotations

import csv
import itertools
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from streamvpr import records
from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from streamvpr.records import Query

Positives = dict[int, set[int]]
"""Right matches of each query index."""

# Where more than one frame in this many is stationary, they are no pauses of a sequence any more:
# they count as queries that found nothing.
MOST_STATIONARY = 10


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Precision and recall when the queries of at least some confidence are believed."""

    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class Scores:
    """How good a run was. Figures are 0 to 1, None where there is nothing to divide by."""

    queries: int
    queries_with_positives: int
    stationary: int
    accepted: int
    recall_at_1: float | None
    """Share of the queries with positives whose best candidate is right, accepted or not."""
    average_precision: float | None
    max_recall_at_100_precision: float | None
    precision: float | None
    """Share of right ones among the accepted."""
    recall: float | None
    """Right accepted ones over the queries with positives."""

    def as_json(self) -> dict[str, Any]:
        """The figures, rounded to six places."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def read_queries(lines: Iterable[str], *, stream: str | None = None) -> list[Query]:
    """The `query` records among JSON lines, by index; others are passed over.

    Raises StoreError where a line is no JSON, a record is not valid, or an index comes twice.
    """
    found: dict[int, Query] = {}
    for number, line in enumerate(lines, 1):
        record = _query(line, number)
        if record is None or (stream is not None and record.stream != stream):
            continue
        if record.query_idx in found:
            raise StoreError(
                f"line {number}: query_idx {record.query_idx} comes twice; "
                "name one stream with --stream"
            )
        found[record.query_idx] = record
    return [found[index] for index in sorted(found)]


def read_positives(path: Path, *, exclude: int | None = None) -> Positives:
    """Right pairs of a CSV with the columns query_idx and match_idx.

    `exclude` N leaves those with query_idx - match_idx > N. Raises StoreError.
    """
    positives: Positives = {}
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            for query, match in _pairs(csv.DictReader(lines)):
                if exclude is None or query - match > exclude:
                    positives.setdefault(query, set()).add(match)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise StoreError(
            f"{path} is no ground truth: it needs whole numbers in the columns query_idx and "
            f"match_idx ({error})"
        ) from error
    return positives


def evaluate(queries: Iterable[Query], positives: Mapping[int, set[int]]) -> Scores:
    """Score queries against right pairs.

    A query without a right pair that names a match is a false one. Queries are ranked by
    confidence; those of equal confidence are one step. `stationary` frames are no queries.
    """
    queries = list(queries)
    asked, right = _asked(queries, positives)
    steps = _steps(asked, right)
    accepted = [q for q in queries if q.decision == "accepted"]
    good = sum(_is_right(q, right) for q in accepted)
    return Scores(
        queries=len(asked),
        queries_with_positives=len(right),
        stationary=sum(q.decision == "stationary" for q in queries),
        accepted=len(accepted),
        recall_at_1=_share(sum(_is_right(q, right) for q in asked), len(right)),
        average_precision=_average_precision(steps) if right else None,
        max_recall_at_100_precision=_max_recall(steps) if right else None,
        precision=_share(good, len(accepted)),
        recall=_share(good, len(right)),
    )


def precision_recall_curve(
    queries: Iterable[Query], positives: Mapping[int, set[int]]
) -> list[CurvePoint]:
    """The curve from the surest queries to all, one point a distinct confidence."""
    return _steps(*_asked(list(queries), positives))


def _asked(
    queries: list[Query], positives: Mapping[int, set[int]]
) -> tuple[list[Query], dict[int, set[int]]]:
    """Queries and right pairs without the frames that are none for standing still."""
    still = {q.query_idx for q in queries if q.decision == "stationary"}
    if len(still) * MOST_STATIONARY > len(queries):
        return queries, dict(positives)
    return (
        [q for q in queries if q.query_idx not in still],
        {index: matches for index, matches in positives.items() if index not in still},
    )


def _steps(queries: list[Query], right: Mapping[int, set[int]]) -> list[CurvePoint]:
    named = [q for q in queries if q.match_idx is not None]
    key = _confidence if all(q.confidence is not None for q in named) else _inliers_and_score
    ranked = sorted(named, key=key, reverse=True)
    steps = []
    seen = hits = 0
    for _, group in itertools.groupby(ranked, key):
        for query in group:
            seen += 1
            hits += _is_right(query, right)
        steps.append(CurvePoint(hits / len(right) if right else 0.0, hits / seen))
    return steps


def _average_precision(steps: list[CurvePoint]) -> float:
    recalls = [0.0, *(point.recall for point in steps)]
    gains = (now - before for before, now in itertools.pairwise(recalls))
    return sum(gain * point.precision for gain, point in zip(gains, steps, strict=True))


def _max_recall(steps: list[CurvePoint]) -> float:
    return max((point.recall for point in steps if point.precision == 1), default=0.0)


def _is_right(query: Query, right: Mapping[int, set[int]]) -> bool:
    return query.match_idx in right.get(query.query_idx, ())


def _confidence(query: Query) -> float:
    return -math.inf if query.confidence is None else query.confidence


def _inliers_and_score(query: Query) -> tuple[float, float]:
    inliers = -1 if query.inliers is None else query.inliers
    return inliers, -math.inf if query.score is None else query.score


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _query(line: str, number: int) -> Query | None:
    if not line.strip():
        return None
    try:
        fields = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite_float)
        if not isinstance(fields, dict) or fields.get("type") != "query":
            return None
        return msgspec.convert(fields, records.Query)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise StoreError(f"line {number} is no record ({error}): {line.strip()[:60]!r}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not finite")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is not finite")
    return number


def _pairs(rows: csv.DictReader[str]) -> Iterator[tuple[int, int]]:
    for row in rows:
        yield int(row["query_idx"]), int(row["match_idx"])
