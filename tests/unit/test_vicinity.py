"""Right pairs by the positions in records, against a naive oracle, and what can't tell them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.earth import distance
from streamvpr.errors import StoreError
from streamvpr.evaluation import evaluate, precision_recall_curve
from streamvpr.frames import Position
from streamvpr.records import Query
from streamvpr.vicinity import positives_within, with_positions

if TYPE_CHECKING:
    import random

METRES = 111_195.08  # a degree of latitude


def frame(
    index: int, place: float | None, match: tuple[int, float | None] | None = None, **fields: Any
) -> Query:
    """A query `place` metres north of a point; its match with where that is."""
    known: dict[str, Any] = {"decision": "empty_database" if match is None else "accepted"}
    if place is not None:
        known |= {"query_lat": round(47 + place / METRES, 7), "query_lon": 8.0}
    if match is not None:
        known |= {"match_idx": match[0], "confidence": 0.5}
        if match[1] is not None:
            known |= {"match_lat": round(47 + match[1] / METRES, 7), "match_lon": 8.0}
    return Query(query_idx=index, **(known | fields))


def matched(index: int, place: float, match: int, places: list[float], **fields: Any) -> Query:
    return frame(index, place, (match, places[match]), **fields)


class TestWithin:
    def test_frames_within_the_radius_are_right(self) -> None:
        places = [0.0, 50.0, 9.0, 100.0, 1.0]
        queries = [frame(n, place) for n, place in enumerate(places)]
        assert positives_within(queries, 10, exclude=0) == {2: {0}, 4: {0}}
        assert positives_within(queries, 60, exclude=0).keys() == {1, 2, 3, 4}
        assert positives_within(queries, 0.5, exclude=0) == {}

    def test_only_those_further_back_than_the_exclusion(self) -> None:
        queries = [frame(n, 0.0) for n in range(6)]
        assert positives_within(queries, 10, exclude=3) == {4: {0}, 5: {0}}
        assert positives_within(queries, 10, exclude=5) == {}

    def test_the_match_that_is_named_is_among_them_where_it_is_right(self) -> None:
        places = [0.0, 1.0, 500.0, 2.0, 3.0]
        queries = [frame(n, place) for n, place in enumerate(places[:3])]
        queries += [matched(3, 2.0, 1, places), matched(4, 3.0, 2, places)]
        assert positives_within(queries, 10, exclude=0) == {1: {0}, 3: {0, 1}, 4: {0}}

    def test_a_match_within_the_exclusion_is_wrong(self) -> None:
        queries = [frame(0, 0.0), frame(1, 0.0), matched(2, 0.0, 1, [0.0, 0.0])]
        assert positives_within(queries, 10, exclude=1) == {2: {0}}

    def test_indices_may_have_gaps(self) -> None:
        queries = [frame(index, 0.0) for index in (3, 10, 14)]
        assert positives_within(queries, 10, exclude=4) == {10: {3}, 14: {3}}

    def test_a_camera_that_hovers_for_hours_fits_into_memory(self) -> None:
        queries = [frame(n, 0.0) for n in range(3000)]
        began = time.process_time()
        found = positives_within(queries, 10, exclude=30)
        assert sum(map(len, found.values())) == len(found) == 2969
        assert time.process_time() - began < 5


@given(
    rng=st.randoms(use_true_random=False),
    length=st.integers(1, 30),
    radius=st.sampled_from([5.0, 25.0, 200.0]),
    exclude=st.integers(0, 6),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_scores_are_those_of_all_pairs(
    rng: random.Random, length: int, radius: float, exclude: int
) -> None:
    places = [rng.uniform(0, 300) for _ in range(length)]
    queries = [frame(0, places[0])]
    for index in range(1, length):
        match = rng.randrange(index)
        fields = {
            "confidence": rng.randint(0, 5) / 5,
            "decision": rng.choice(["accepted", "too_few_inliers"]),
        }
        queries.append(matched(index, places[index], match, places, **fields))
    every = {
        q.query_idx: right for q in queries if (right := set(near(q, queries, radius, exclude)))
    }
    found = positives_within(with_positions(queries), radius, exclude=exclude)
    assert found.keys() == every.keys()
    assert all(found[index] <= every[index] for index in found)
    assert evaluate(queries, found) == evaluate(queries, every)
    assert precision_recall_curve(queries, found) == precision_recall_curve(queries, every)


def near(query: Query, queries: list[Query], radius: float, exclude: int) -> list[int]:
    return [
        other.query_idx
        for other in queries
        if query.query_idx - other.query_idx > exclude
        and distance(place(query), place(other)) <= radius
    ]


def place(query: Query) -> Position:
    assert isinstance(query.query_lat, float)
    assert isinstance(query.query_lon, float)
    return Position(query.query_lat, query.query_lon)


class TestWhatCanBeJudged:
    def test_all_where_all_is_known(self) -> None:
        queries = [frame(0, 0.0), frame(1, 5.0), frame(2, 1.0, (0, 0.0)), frame(3, 1.0)]
        assert with_positions(queries) == queries

    def test_frames_without_a_position_are_left_out(self) -> None:
        queries = [frame(0, None), frame(1, 5.0), frame(2, None, (1, 5.0)), frame(3, 1.0)]
        assert [q.query_idx for q in with_positions(queries)] == [1, 3]

    def test_those_whose_match_has_none_too(self) -> None:
        queries = [frame(0, None), frame(1, 5.0), frame(2, 1.0, (0, None)), frame(3, 1.0)]
        assert [q.query_idx for q in with_positions(queries)] == [1, 3]

    def test_nothing_is_nothing(self) -> None:
        assert with_positions([]) == []

    @pytest.mark.parametrize("unknown", [{}, {"query_lat": 47.0}, {"query_lon": None}])
    def test_no_position_at_all_is_an_error(self, unknown: dict[str, Any]) -> None:
        with pytest.raises(StoreError, match=r"no positions .*--ground-truth"):
            with_positions([frame(0, None, **unknown), frame(1, None, (0, None))])

    @pytest.mark.parametrize("latitude", [91.0, -1e300])
    def test_a_place_that_is_none_is_an_error(self, latitude: float) -> None:
        with pytest.raises(StoreError, match=r"query 1: .* no latitude"):
            with_positions([frame(0, 0.0), frame(1, 0.0, query_lat=latitude)])


class TestOfAnotherStream:
    """Records of `match` and of --shared-places name places that they don't hold."""

    @pytest.mark.parametrize(
        "match",
        [(1, 700.0), (1, None), (2, 2.0), (3, 0.0)],
        ids=["elsewhere", "unknown", "itself", "later"],
    )
    def test_a_match_that_is_no_earlier_frame_of_the_run(
        self, match: tuple[int, float | None]
    ) -> None:
        queries = [frame(0, 0.0), frame(1, 1.0), frame(2, 2.0, match), frame(3, 0.0)]
        with pytest.raises(StoreError, match=r"query 2 .*`match`.*--shared-places.*--ground-truth"):
            with_positions(queries)

    def test_a_place_that_is_known_though_its_frame_was_nowhere(self) -> None:
        with pytest.raises(StoreError, match="query 1"):
            with_positions([frame(0, None), frame(1, 1.0, (0, 0.0))])

    def test_records_that_lack_frames(self) -> None:
        with pytest.raises(StoreError, match=r"lack frame 0, which query 2 matches"):
            with_positions([frame(1, 1.0), frame(2, 2.0, (0, 0.0))])

    def test_the_last_digit_may_be_another_programs(self) -> None:
        queries = [frame(0, 0.0), frame(1, 1.0, (0, 0.0), match_lon=8.0000001)]
        assert len(with_positions(queries)) == 2
