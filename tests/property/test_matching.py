"""Ranking and grouping of matches against naive versions of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.loops import REACH, RevisitTracker
from streamvpr.matching import NEIGHBOURHOOD, distinct_in_time, never_left

# Few different scores, so that ties are many.
rows = st.lists(
    st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0]), st.integers(1, 4)),
    min_size=1,
    max_size=80,
)


def arrays(given_rows: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    scores = np.array([score for score, _ in given_rows], np.float32)
    indices = np.array(list(itertools.accumulate(step for _, step in given_rows)), np.int64)
    return scores, indices


def naive_distinct(scores: np.ndarray, indices: np.ndarray, most: int) -> list[int]:
    picked: list[int] = []
    for row in sorted(range(len(scores)), key=lambda r: (-scores[r], indices[r])):
        alone = all(abs(indices[row] - indices[p]) > NEIGHBOURHOOD for p in picked)
        if alone:
            picked.append(row)
    return picked[:most]


@given(rows=rows, most=st.integers(1, 12))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_distinct_in_time_is_greedy_suppression_over_all_sorted(
    rows: list[tuple[float, int]], most: int
) -> None:
    scores, indices = arrays(rows)
    assert distinct_in_time(scores, indices, most) == naive_distinct(scores, indices, most)


def test_places_a_neighbourhood_apart_are_one_and_one_more_are_two() -> None:
    scores = np.array([1.0, 0.9], np.float32)
    assert distinct_in_time(scores, np.array([5, 5 + NEIGHBOURHOOD]), 5) == [0]
    assert distinct_in_time(scores, np.array([5, 6 + NEIGHBOURHOOD]), 5) == [0, 1]


def test_nothing_admissible_is_nothing_picked() -> None:
    assert distinct_in_time(np.empty(0, np.float32), np.arange(0), 3) == []


eighths = st.lists(st.integers(-8, 8), min_size=1, max_size=60)


@given(eighths=eighths)
@settings(deadline=None, derandomize=True, max_examples=200)
def test_a_place_was_left_where_two_fifths_of_what_was_lost_since_are_regained(
    eighths: list[int],
) -> None:
    found = never_left(np.array(eighths, np.float32) / 8)
    for row, score in enumerate(eighths):
        later = eighths[row + 1 :]
        if not later:
            assert found[row], "nothing came after it, so the view was not left"
            continue
        regained, lost = 5 * (score - min(later)), 2 * (8 - min(later))
        if regained != lost:  # on the edge, rounding decides
            assert found[row] == (regained < lost)


@given(eighths=eighths, more=st.lists(st.integers(-8, 8), max_size=20))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_what_was_left_stays_left_whatever_comes_later(eighths: list[int], more: list[int]) -> None:
    before = never_left(np.array(eighths, np.float32) / 8)
    after = never_left(np.array(eighths + more, np.float32) / 8)[: len(eighths)]
    assert not (after & ~before).any()


def test_a_view_that_only_fades_was_never_left() -> None:
    assert never_left(np.linspace(0.6, 1, 50, dtype=np.float32)).all()


@pytest.mark.parametrize("score", [0.2, 0.97, 1.0, 1.0000001])
def test_a_view_that_stays_the_same_was_never_left(score: float) -> None:
    # A similarity may be a rounding error above 1.
    assert never_left(np.full(50, score, np.float32)).all()


def test_a_peak_between_other_views_was_left() -> None:
    scores = np.array([0.3, 0.9, 0.3, 0.4, 0.8, 0.95], np.float32)
    assert never_left(scores).tolist() == [True, False, True, True, True, True]


def loops(closures: list[tuple[int, int]]) -> list[int]:
    tracker = RevisitTracker()
    return [tracker.assign(query, match) for query, match in closures]


def test_a_sustained_revisit_keeps_one_number() -> None:
    assert loops([(100 + n, 10 + n) for n in range(50)]) == [0] * 50


@pytest.mark.parametrize("step", [-1, 0, 2])
def test_a_revisit_may_go_back_stand_or_go_twice_as_fast(step: int) -> None:
    assert loops([(200 + n, 100 + step * n) for n in range(40)]) == [0] * 40


def test_a_revisit_survives_a_few_queries_that_close_nothing() -> None:
    assert loops([(100, 10), (101, 11), (101 + REACH, 16), (107, 17)]) == [0] * 4


def test_an_interrupted_revisit_gets_a_new_number() -> None:
    later = 101 + REACH + 1
    assert loops([(100, 10), (101, 11), (later, 17), (later + 1, 18)]) == [0, 0, 1, 1]


def test_a_match_elsewhere_gets_a_new_number() -> None:
    assert loops([(100, 10), (101, 11), (102, 60), (103, 61)]) == [0, 0, 1, 1]


def test_two_laps_that_match_by_turns_keep_their_two_numbers() -> None:
    closures = [(300 + n, (200 if n % 2 else 100) + n) for n in range(40)]
    assert loops(closures) == [0, 1] * 20


def test_a_revisit_between_two_open_ones_is_that_of_the_nearer() -> None:
    assert loops([(100, 10), (101, 20), (102, 18), (103, 12)]) == [0, 1, 1, 0]


def test_the_past_of_another_stream_is_another_revisit() -> None:
    tracker = RevisitTracker()
    found = [tracker.assign(100 + n, 10 + n, "ab"[n % 2]) for n in range(20)]
    assert found == [0, 1] * 10


def test_numbers_do_not_come_again() -> None:
    assert loops([(n * 20, 0) for n in range(5)]) == [0, 1, 2, 3, 4]


@given(closures=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 60)), min_size=1, max_size=80))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_numbers_count_up_and_each_belongs_to_one_connected_revisit(
    closures: list[tuple[int, int]],
) -> None:
    queries = list(itertools.accumulate(step for step, _ in closures))
    matches = [match for _, match in closures]
    found = loops(list(zip(queries, matches, strict=True)))
    first_seen = list(dict.fromkeys(found))
    assert first_seen == list(range(len(first_seen)))
    reach = REACH
    last: dict[int, tuple[int, int]] = {}
    for query, match, loop in zip(queries, matches, found, strict=True):
        follows = {
            known
            for known, (q, m) in last.items()
            if query - q <= reach and abs(match - m) <= reach + query - q
        }
        assert loop in follows if follows else loop not in last
        last[loop] = (query, match)
