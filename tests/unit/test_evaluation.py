"""Scores by hand, against a naive second implementation, and against the reference tool."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.errors import StoreError
from streamvpr.evaluation import (
    MOST_STATIONARY,
    evaluate,
    precision_recall_curve,
    read_positives,
    read_queries,
)
from streamvpr.records import Query

REFERENCE = Path(__file__).resolve().parents[2] / "../shared/tools/score.py"


def q(index: int, match: int | None, confidence: float | None = None, **fields: Any) -> Query:
    return Query(query_idx=index, match_idx=match, confidence=confidence, **fields)


def still(index: int) -> Query:
    return q(index, None, decision="stationary")


RIGHT = {0: {0}, 1: {1}, 2: {2}, 3: {3}}


class TestByHand:
    def test_right_right_wrong_right(self) -> None:
        queries = [q(0, 0, 0.9), q(1, 1, 0.8), q(2, 0, 0.7), q(3, 3, 0.6)]
        scores = evaluate(queries, RIGHT)
        assert scores.recall_at_1 == 3 / 4
        assert scores.average_precision == pytest.approx((1 + 1 + 3 / 4) / 4)
        assert scores.max_recall_at_100_precision == 2 / 4

    def test_the_order_of_the_records_does_not_matter(self) -> None:
        queries = [q(3, 3, 0.6), q(1, 1, 0.8), q(0, 0, 0.9), q(2, 0, 0.7)]
        assert evaluate(queries, RIGHT).max_recall_at_100_precision == 2 / 4

    def test_precision_and_recall_are_of_the_accepted(self) -> None:
        queries = [
            q(0, 0, 0.9, decision="accepted"),
            q(1, 1, 0.8, decision="below_threshold"),
            q(2, 0, 0.7, decision="accepted"),
            q(3, 3, 0.6, decision="too_few_inliers"),
        ]
        scores = evaluate(queries, RIGHT)
        assert (scores.accepted, scores.precision, scores.recall) == (2, 1 / 2, 1 / 4)

    @pytest.mark.parametrize("turned", [False, True])
    def test_equal_confidences_are_one_step(self, turned: bool) -> None:
        pair = [q(0, 0, 0.9), q(1, 7, 0.9)]
        scores = evaluate(pair[::-1] if turned else pair, {0: {0}, 1: {1}})
        assert scores.average_precision == pytest.approx(1 / 2 * 1 / 2)
        assert scores.max_recall_at_100_precision == 0

    def test_a_false_one_among_the_surest_leaves_no_recall_at_full_precision(self) -> None:
        scores = evaluate([q(0, 9, 0.9), q(1, 1, 0.8), q(2, 2, 0.7)], RIGHT)
        assert scores.max_recall_at_100_precision == 0
        assert scores.average_precision == pytest.approx(1 / 4 * 1 / 2 + 1 / 4 * 2 / 3)

    def test_a_query_without_a_right_pair_that_names_a_match_is_a_false_one(self) -> None:
        scores = evaluate([q(0, 0, 0.5), q(9, 3, 0.9), q(1, None)], RIGHT)
        assert scores.average_precision == pytest.approx(1 / 4 * 1 / 2)
        assert scores.max_recall_at_100_precision == 0
        assert scores.queries == 3
        assert scores.queries_with_positives == 4

    def test_a_query_that_names_none_is_no_false_one(self) -> None:
        scores = evaluate([q(0, 0, 0.5), q(9, None)], {0: {0}})
        assert scores.average_precision == 1

    def test_frames_that_were_never_processed_still_have_a_place_to_find(self) -> None:
        assert evaluate([q(0, 0, 0.5)], RIGHT).recall_at_1 == 1 / 4

    def test_any_of_several_right_matches_is_right(self) -> None:
        assert evaluate([q(0, 5, 0.5)], {0: {4, 5, 6}}).recall_at_1 == 1

    def test_without_confidences_inliers_go_before_the_score(self) -> None:
        queries = [
            q(0, 0, score=0.1, inliers=50),
            q(1, 9, score=0.99, inliers=-1),
            q(2, 8, score=0.98),
            q(3, 3, score=0.2, inliers=0),
        ]
        scores = evaluate(queries, RIGHT)
        assert scores.average_precision == pytest.approx(1 / 2)
        assert scores.max_recall_at_100_precision == 1 / 2

    def test_one_missing_confidence_ranks_all_by_inliers_and_score(self) -> None:
        queries = [q(0, 0, 0.1, inliers=50), q(1, 9, 0.9, inliers=5), q(2, 2, None, inliers=40)]
        assert evaluate(queries, RIGHT).max_recall_at_100_precision == 2 / 4

    def test_nothing_asked_and_nothing_to_find(self) -> None:
        scores = evaluate([], {})
        assert scores.queries == scores.accepted == scores.stationary == 0
        assert scores.recall_at_1 is None
        assert scores.average_precision is None
        assert scores.max_recall_at_100_precision is None
        assert scores.precision is None
        assert scores.recall is None

    def test_without_positives_there_is_no_recall_but_a_precision(self) -> None:
        scores = evaluate([q(0, 3, 0.9, decision="accepted")], {})
        assert scores.average_precision is None
        assert scores.recall is None
        assert scores.precision == 0

    def test_nothing_found_is_zero_and_not_unknown(self) -> None:
        scores = evaluate([q(n, None) for n in range(4)], RIGHT)
        assert scores.recall_at_1 == scores.average_precision == scores.recall == 0
        assert scores.max_recall_at_100_precision == 0
        assert scores.precision is None

    def test_the_curve_has_a_point_for_each_confidence(self) -> None:
        curve = precision_recall_curve(
            [q(0, 0, 0.9), q(1, 1, 0.8), q(2, 0, 0.8), q(3, 3, 0.6)], RIGHT
        )
        assert [(p.recall, p.precision) for p in curve] == [
            (1 / 4, 1),
            (2 / 4, 2 / 3),
            (3 / 4, 3 / 4),
        ]

    def test_the_figures_are_printed_to_six_places(self) -> None:
        scores = evaluate([q(0, 0, 0.5)], {0: {0}, 1: {1}, 2: {2}}).as_json()
        assert scores["recall_at_1"] == 0.333333
        assert scores["precision"] is None
        assert json.loads(json.dumps(scores, allow_nan=False)) == scores
        assert {
            "queries",
            "queries_with_positives",
            "recall_at_1",
            "average_precision",
            "max_recall_at_100_precision",
            "precision",
            "recall",
            "stationary",
        } <= set(scores)


class TestStationary:
    def test_stationary_frames_stand_in_none_of_the_figures(self) -> None:
        queries = [*(q(n, n, 0.5) for n in range(10)), still(10)]
        scores = evaluate(queries, {n: {n} for n in range(11)})
        assert scores.queries == scores.queries_with_positives == 10
        assert scores.stationary == 1
        assert scores.recall_at_1 == 1

    def test_more_than_a_tenth_are_queries_that_found_nothing(self) -> None:
        queries = [*(q(n, n, 0.5) for n in range(8)), still(8)]
        scores = evaluate(queries, {n: {n} for n in range(9)})
        assert scores.queries == scores.queries_with_positives == 9
        assert scores.stationary == 1
        assert scores.recall_at_1 == 8 / 9

    def test_exactly_a_tenth_is_a_pause(self) -> None:
        count = MOST_STATIONARY - 1
        queries = [*(q(n, n, 0.5) for n in range(count)), still(count)]
        assert evaluate(queries, {n: {n} for n in range(count + 1)}).recall_at_1 == 1


def naive(queries: list[Query], positives: dict[int, set[int]]) -> dict[str, float | int | None]:
    """The definitions, one threshold at a time."""
    paused = [x for x in queries if x.decision == "stationary"]
    right = dict(positives)
    asked = list(queries)
    if len(paused) <= len(queries) / MOST_STATIONARY:
        for pause in paused:
            right.pop(pause.query_idx, None)
        asked = [x for x in queries if x.decision != "stationary"]

    def good(query: Query) -> bool:
        return query.query_idx in right and query.match_idx in right[query.query_idx]

    named = [x for x in asked if x.match_idx is not None]
    sure = all(x.confidence is not None for x in named)

    def rank(query: Query) -> tuple[float, float]:
        if sure:
            assert query.confidence is not None
            return (query.confidence, 0.0)
        inliers = -1 if query.inliers is None else query.inliers
        return (inliers, float("-inf") if query.score is None else query.score)

    average = best = before = 0.0
    for least in sorted({rank(x) for x in named}, reverse=True):
        believed = [x for x in named if rank(x) >= least]
        hits = sum(map(good, believed))
        recall = hits / len(right) if right else 0.0
        average += (recall - before) * hits / len(believed)
        before = recall
        if hits == len(believed):
            best = max(best, recall)
    accepted = [x for x in queries if x.decision == "accepted"]
    found = sum(map(good, accepted))
    total = len(right)
    return {
        "stationary": len(paused),
        "queries_with_positives": total,
        "accepted": len(accepted),
        "recall_at_1": sum(map(good, asked)) / total if total else None,
        "average_precision": average if total else None,
        "max_recall_at_100_precision": best if total else None,
        "precision": found / len(accepted) if accepted else None,
        "recall": found / total if total else None,
    }


def random_run(
    rng: random.Random, length: int, pauses: float, with_confidence: bool
) -> tuple[list[Query], dict[int, set[int]]]:
    """A run with many ties, and what was right in it."""
    positives = {
        index: {rng.randrange(4) for _ in range(rng.randint(1, 3))}
        for index in range(length + 2)
        if rng.random() < 0.6
    }
    queries = []
    for index in range(length):
        if rng.random() < pauses:
            queries.append(still(index))
        elif rng.random() < 0.2:
            queries.append(q(index, None, decision="empty_database"))
        else:
            sure = with_confidence or rng.random() < 0.8
            queries.append(
                q(
                    index,
                    rng.randrange(4),
                    rng.randint(0, 8) / 8 if sure else None,
                    score=rng.choice([None, 0.25, 0.5, 0.75]),
                    inliers=rng.choice([None, 0, 10, 30]),
                    decision=rng.choice(["accepted", "below_threshold", "too_few_inliers"]),
                )
            )
    return queries, positives


@given(
    rng=st.randoms(use_true_random=False),
    length=st.integers(0, 40),
    pauses=st.sampled_from([0.0, 0.05, 0.5]),
    with_confidence=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_the_figures_are_those_of_a_naive_implementation(
    rng: random.Random, length: int, pauses: float, with_confidence: bool
) -> None:
    queries, positives = random_run(rng, length, pauses, with_confidence)
    shuffled = rng.sample(queries, len(queries))
    found = evaluate(shuffled, positives).as_json()
    for name, value in naive(queries, positives).items():
        assert found[name] == pytest.approx(value, abs=2e-6), name


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference tool is not beside the project")
@pytest.mark.parametrize("seed", range(8))
def test_the_figures_are_those_of_the_reference_tool(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    queries, positives = random_run(rng, 60, (0.0, 0.05, 0.5)[seed % 3], seed % 2 == 0)
    exclude = 3 if seed % 4 == 3 else None
    records, truth = tmp_path / "records.jsonl", tmp_path / "positives.csv"
    fields = ("query_idx", "match_idx", "confidence", "score", "inliers", "decision")
    lines = [json.dumps({"type": "query"} | {f: getattr(x, f) for f in fields}) for x in queries]
    records.write_text("\n".join(['{"type":"loop_closure"}', *lines]), encoding="utf-8")
    pairs = [f"{index},{match}" for index, found in positives.items() for match in sorted(found)]
    truth.write_text("\n".join(["query_idx,match_idx", *pairs]) + "\n", encoding="utf-8")
    options = [] if exclude is None else ["--exclude", str(exclude)]
    command = [sys.executable, str(REFERENCE), str(records), str(truth), *options]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    reference = json.loads(done.stdout)
    read = read_queries(records.read_text(encoding="utf-8").splitlines())
    ours = evaluate(read, read_positives(truth, exclude=exclude)).as_json()
    shared = set(ours) & set(reference)
    assert len(shared) >= 8
    assert {name: ours[name] for name in shared} == pytest.approx(
        {name: reference[name] for name in shared}, abs=2e-6
    )


class TestReadQueries:
    def test_queries_come_by_index_and_others_are_passed_over(self) -> None:
        lines = [
            '{"type":"query","stream":"a","query_idx":4,"match_idx":1,"confidence":0.5}',
            "",
            '{"type":"loop_closure","stream":"a"}',
            '{"type":"stream","stream":"a"}',
            "[1, 2]",
            '{"type":"query","query_idx":2,"match_idx":null,"new_field":{"x":1}}\n',
        ]
        found = read_queries(lines)
        assert [x.query_idx for x in found] == [2, 4]
        assert found[0].match_idx is None
        assert found[1].confidence == 0.5

    def test_one_stream_of_several_can_be_chosen(self) -> None:
        lines = [f'{{"type":"query","stream":"{s}","query_idx":0}}' for s in "ab"]
        assert [x.stream for x in read_queries(lines, stream="b")] == ["b"]
        assert read_queries(lines, stream="c") == []

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("nonsense", "nonsense"),
            ('{"type":"query"', "line 2"),
            ('{"type":"query","query_idx":7,"score":NaN}', "NaN"),
            ('{"type":"query","query_idx":7,"score":-Infinity}', "Infinity"),
            ('{"type":"query","query_idx":7,"confidence":1e999}', "line 2"),
            ('{"type":"query"}', "query_idx"),
            ('{"type":"query","query_idx":null}', "query_idx"),
            ('{"type":"query","query_idx":"7"}', "query_idx"),
            ('{"type":"query","query_idx":true}', "query_idx"),
            ('{"type":"query","query_idx":7.5}', "query_idx"),
            ('{"type":"query","query_idx":7,"match_idx":[]}', "match_idx"),
            ('{"type":"query","query_idx":1}', "comes twice"),
            ("[" * 100_000, "line 2"),
            ('{"a":' * 100_000, "line 2"),
            ('{"type":"query","query_idx":' + "9" * 10_000 + "}", "line 2"),
        ],
    )
    def test_a_line_that_cannot_be_scored_is_an_error_that_names_it(
        self, line: str, what: str
    ) -> None:
        with pytest.raises(StoreError, match=what) as caught:
            read_queries(['{"type":"query","query_idx":1}', line])
        assert "line 2" in str(caught.value)
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)

    def test_an_index_that_comes_twice_is_none_where_the_streams_differ(self) -> None:
        lines = [f'{{"type":"query","stream":"{s}","query_idx":0}}' for s in "ab"]
        with pytest.raises(StoreError, match="--stream"):
            read_queries(lines)


class TestReadPositives:
    def write(self, folder: Path, text: str | bytes) -> Path:
        path = folder / "positives.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_pairs_are_grouped_by_query(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "query_idx,match_idx\n10,5\n10,4\n3,1\n10,5\n")
        assert read_positives(path) == {10: {4, 5}, 3: {1}}

    def test_only_pairs_further_apart_than_the_exclusion_count(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "query_idx,match_idx\n10,5\n10,4\n3,1\n1,30\n")
        assert read_positives(path, exclude=5) == {10: {4}}

    def test_columns_are_found_by_name(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "why,match_idx,query_idx\r\nx,5,10\r\n")
        assert read_positives(path) == {10: {5}}

    @pytest.mark.parametrize(
        "text",
        [
            "a,b\n1,2\n",
            "query_idx\n1\n",
            "query_idx,match_idx\n1\n",
            "query_idx,match_idx\n1,x\n",
            "query_idx,match_idx\n1,2.5\n",
            "query_idx,match_idx\n1,\n",
            b"query_idx,match_idx\n\xff\xfe,1\n",
            "query_idx,match_idx\n" + "1" * 200_000 + ",1\n",
        ],
    )
    def test_a_file_that_is_no_ground_truth_is_an_error_that_names_it(
        self, tmp_path: Path, text: str | bytes
    ) -> None:
        path = self.write(tmp_path, text)
        with pytest.raises(StoreError, match=r"positives\.csv"):
            read_positives(path)

    def test_a_file_that_is_not_there_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"none\.csv: No such file"):
            read_positives(tmp_path / "none.csv")

    def test_a_folder_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="cannot read"):
            read_positives(tmp_path)
