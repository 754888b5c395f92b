"""Similarity matrices: against a naive product of all with all, thinned, and drawn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.database import PlaceDatabase
from streamvpr.frames import Decision, Verdict
from streamvpr.similarity_matrix import SimilarityMatrix
from streamvpr.sinks.heatmap import contrast, draw_heatmap

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Make = Callable[..., Any]


def descriptors(count: int, seed: int = 0) -> NDArray[np.float32]:
    made = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def add(make_keyframe: Make) -> Make:
    def add_all(
        matrix: SimilarityMatrix, vectors: NDArray[np.float32], still: tuple[int, ...] = ()
    ) -> None:
        for index, vector in enumerate(vectors):
            seen = None if index in still else vector
            matrix.add(Decision(make_keyframe(index), Verdict.BELOW_THRESHOLD, descriptor=seen))

    return add_all


def lower(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    products = vectors @ vectors.T
    products[np.triu_indices(len(vectors), 1)] = np.nan
    return products


def test_few_queries_are_all_kept(add: Make) -> None:
    vectors = descriptors(12)
    matrix = SimilarityMatrix(most=20)
    add(matrix, vectors)
    found = matrix.read()
    assert found.queries.tolist() == list(range(12))
    assert found.places == tuple((None, "cam", index) for index in range(12))
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, lower(vectors), atol=1e-6)


@pytest.mark.parametrize("most", [7, 8])
@pytest.mark.parametrize("count", [8, 9, 50, 257])
def test_many_are_thinned_evenly_and_keep_their_similarities(
    add: Make, most: int, count: int
) -> None:
    vectors = descriptors(count)
    matrix = SimilarityMatrix(most)
    add(matrix, vectors)
    found = matrix.read()
    kept = found.queries
    assert most // 2 <= len(kept) <= most
    assert len(set(np.diff(kept).tolist())) == 1
    assert [index for _, _, index in found.places] == kept.tolist()
    np.testing.assert_allclose(found.values, lower(vectors[kept]), atol=1e-6)


def test_a_view_that_stands_still_has_no_row(add: Make) -> None:
    matrix = SimilarityMatrix()
    add(matrix, descriptors(5), still=(1, 2))
    assert matrix.read().queries.tolist() == [0, 3, 4]


def test_before_the_first_decision_there_is_nothing() -> None:
    for past in (None, PlaceDatabase(4, 8)):
        found = SimilarityMatrix(past=past).read()
        assert found.values.shape == (0, 0)
        assert found.places == ()
        assert draw_heatmap(found.values).startswith(b"\x89PNG")


@pytest.mark.parametrize(("places", "step"), [(5, 1), (8, 1), (9, 2), (40, 5)])
def test_the_columns_of_a_fixed_past_are_its_places(
    add: Make, make_candidate: Make, places: int, step: int
) -> None:
    past, theirs = PlaceDatabase(50, 8), descriptors(places, seed=1)
    matrix = SimilarityMatrix(8, past=past)
    for index, vector in enumerate(theirs):
        past.add(make_candidate(index, stream="map").place, vector)
    ours = descriptors(20)
    add(matrix, ours)
    found = matrix.read()
    assert found.places == tuple((None, "map", index) for index in range(0, places, step))
    assert np.isfinite(found.values).all()
    expected = ours[found.queries] @ theirs[::step].T
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_it_can_be_read_while_it_grows(add: Make) -> None:
    matrix = SimilarityMatrix(most=32)
    vectors = descriptors(3000)
    adding = threading.Thread(target=add, args=(matrix, vectors))
    adding.start()
    while adding.is_alive():
        found = matrix.read()
        np.testing.assert_allclose(found.values, lower(vectors[found.queries]), atol=1e-6)
    adding.join()


class TestTheHeatmap:
    def test_a_revisit_is_brighter_than_what_is_beside_it(self) -> None:
        values = np.full((40, 40), 0.2, np.float32) + np.random.default_rng(0).normal(
            0, 0.02, (40, 40)
        ).astype(np.float32)
        values[np.arange(30, 40), np.arange(10)] = 0.9
        picture = cv2.imdecode(
            np.frombuffer(draw_heatmap(values), np.uint8), cv2.IMREAD_GRAYSCALE
        ).astype(int)
        cell = len(picture) // 40
        line = [picture[(30 + k) * cell, k * cell] for k in range(10)]
        beside = [picture[(30 + k) * cell, (k + 3) * cell] for k in range(10)]
        assert min(line) > max(beside) + 60

    def test_it_is_large_enough_to_be_seen_and_clear_where_nothing_is_known(self) -> None:
        vectors = descriptors(50)
        data = np.frombuffer(draw_heatmap(lower(vectors), 256), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert picture.shape == (300, 300, 4)
        assert picture[10, 290, 3] == 0
        assert picture[290, 10, 3] == 255

    @pytest.mark.parametrize(
        "values",
        [np.full((3, 3), np.nan), np.full((3, 3), 0.5), np.ones((1, 1)), np.zeros((0, 4))],
        ids=["unknown", "equal", "one", "none"],
    )
    def test_what_has_no_contrast_can_be_drawn(self, values: NDArray[np.float64]) -> None:
        low, high = contrast(values.astype(np.float32))
        assert low < high
        assert draw_heatmap(values.astype(np.float32)).startswith(b"\x89PNG")
