"""Places that are found by their binary descriptors."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.frames import FeatureKind, Features
from streamvpr.retrieval.hbst import WITHIN, HbstIndex, HbstRetriever

MOST = 60


def random(rng: np.random.Generator, count: int = MOST) -> np.ndarray:
    return rng.integers(0, 256, (count, 32), dtype=np.uint8)


def seen_again(rng: np.random.Generator, descriptors: np.ndarray) -> np.ndarray:
    return descriptors ^ np.packbits(rng.random((len(descriptors), 256)) < 0.05, axis=1)


def apart(query: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.bitwise_count(query[:, None] ^ kept[None]).sum(axis=2, dtype=np.int64)


def index_of(places: list[np.ndarray], capacity: int = 1000, trees: int = 2) -> HbstIndex:
    index = HbstIndex(capacity, MOST, trees)
    for place in places:
        index.add(place)
    return index


def test_one_leaf_scores_as_comparing_all_with_all_does() -> None:
    rng = np.random.default_rng(0)
    corners = random(rng, 12)
    places = [seen_again(rng, corners[rng.permutation(12)[:8]]) for _ in range(12)]
    query = seen_again(rng, corners)
    nearest = np.array([apart(query, place).min(axis=1) for place in places])
    votes = np.maximum(0, 1 - nearest / WITHIN)
    rarity = np.log(13 / np.maximum(1, (votes > 0).sum(axis=0)))
    expected = (votes * rarity).mean(axis=1) / np.log(13)
    assert 0.01 < expected.min() < expected.max()
    assert np.allclose(index_of(places).scores(query), expected, atol=1e-6)


@pytest.mark.parametrize("trees", [1, 2, 3])
def test_a_place_is_found_among_many(trees: int) -> None:
    rng = np.random.default_rng(1)
    places = [random(rng) for _ in range(200)]
    index = index_of(places, trees=trees)
    for row in range(0, 200, 20):
        scores = index.scores(seen_again(rng, places[row]))
        assert scores.dtype == np.float32
        assert scores.argmax() == row
        assert 0.1 < scores[row] <= 1
        assert np.delete(scores, row).max() < 0.02


def test_more_trees_find_more() -> None:
    rng = np.random.default_rng(2)
    places = [random(rng) for _ in range(200)]
    one, two = index_of(places, trees=1), index_of(places, trees=2)
    again = [seen_again(rng, place) for place in places[:40]]
    found = [sum(index.scores(view).max() for view in again) for index in (one, two)]
    assert found[1] > 1.1 * found[0]


def test_rows_are_counted_from_the_oldest_that_is_kept() -> None:
    rng = np.random.default_rng(3)
    places = [random(rng) for _ in range(83)]
    index = index_of(places, capacity=30)
    assert (len(index), index.first, index.added) == (30, 53, 83)
    for row in range(30):
        scores = index.scores(places[53 + row])
        assert scores.shape == (30,)
        assert scores.argmax() == row
        assert index.exact_score(row, places[53 + row]) == 1


def test_a_place_that_was_evicted_is_never_found() -> None:
    rng = np.random.default_rng(4)
    places = [random(rng) for _ in range(83)]
    index = index_of(places, capacity=30)
    for place in places[:53]:
        assert not index.scores(place).any()


def test_memory_levels_off() -> None:
    rng = np.random.default_rng(5)
    index = HbstIndex(50, MOST)
    kept = []
    for count in range(50 * 8):
        index.add(random(rng))
        if count % 50 == 49:
            kept.append(index.nbytes)
    assert max(kept[2:]) <= 1.1 * kept[1]
    # What the docstring says: 32 bytes, and some 7 a tree.
    assert 45 < kept[-1] / (50 * MOST) < 65


def test_the_same_again_for_the_same() -> None:
    def scores() -> np.ndarray:
        rng = np.random.default_rng(6)
        corners = random(rng)
        index = index_of([seen_again(rng, corners) for _ in range(170)], capacity=150)
        return index.scores(seen_again(rng, corners))

    assert np.count_nonzero(scores()) > 50
    assert scores().tobytes() == scores().tobytes()


def test_pictures_without_features() -> None:
    rng = np.random.default_rng(7)
    nothing, something = random(rng, 0), random(rng)
    index = index_of([nothing, something, nothing], capacity=3)
    assert index.scores(nothing).tolist() == [0, 0, 0]
    scores = index.scores(something)
    assert scores[1] > 0.4
    assert scores[[0, 2]].tolist() == [0, 0]
    assert [index.exact_score(row, something) for row in range(3)] == [0, 1, 0]
    assert index.exact_score(1, nothing) == 0
    for _ in range(4):
        index.add(nothing)
    assert index.scores(something).tolist() == [0, 0, 0]
    assert HbstIndex(5).scores(something).shape == (0,)


def test_what_all_places_show_tells_nothing() -> None:
    rng = np.random.default_rng(8)
    clock = random(rng, 20)
    places = [np.concatenate([clock, random(rng, MOST - 20)]) for _ in range(250)]
    index = index_of(places)
    assert index.scores(clock).max() < 0.01
    assert index.scores(places[7]).argmax() == 7


def test_a_loop_that_is_shown_for_ever_is_still_found() -> None:
    rng = np.random.default_rng(9)
    lap = [random(rng) for _ in range(3)]
    index = index_of(lap * 150)
    scores = index.scores(lap[1])
    assert scores.argmax() % 3 == 1
    assert scores.max() > 0.1
    # Three in a lap, of which each feature is in one.
    assert scores.max() == pytest.approx(np.log(3) / np.log(451), rel=0.05)


def test_similarity_to_one_place_does_not_depend_on_others() -> None:
    rng = np.random.default_rng(10)
    place = random(rng)
    query = seen_again(rng, place)
    alone = index_of([place])
    among = index_of([random(rng) for _ in range(90)] + [place], capacity=60)
    expected = np.maximum(0, 1 - apart(query, place).min(axis=1) / WITHIN).mean()
    assert alone.exact_score(0, query) == among.exact_score(59, query)
    assert alone.exact_score(0, query) == pytest.approx(expected)
    assert among.scores(query)[59] <= among.exact_score(59, query)


def test_scores_of_some_rows_are_those_of_all() -> None:
    rng = np.random.default_rng(11)
    places = [random(rng) for _ in range(50)]
    index = index_of(places, capacity=40)
    rows = np.array([3, 17, 39])
    scores = index.scores(places[27])
    assert index.scores_of(rows, places[27]).tolist() == scores[rows].tolist()


def test_one_scale_ends_at_1() -> None:
    rng = np.random.default_rng(12)
    places = [random(rng) for _ in range(20)]
    index = index_of(places)
    scaled = index.on_one_scale(index.scores(places[4]))
    assert scaled.dtype == np.float32
    assert (scaled.argmax(), scaled.max()) == (4, 1)
    assert index.on_one_scale(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
    assert index.on_one_scale(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((3, 32), np.float32),
        np.zeros((3, 64), np.uint8),
        np.zeros(32, np.uint8),
        np.zeros((MOST + 1, 32), np.uint8),
    ],
)
def test_other_signatures_are_rejected(other: np.ndarray) -> None:
    index = index_of([random(np.random.default_rng(13))])
    for use in (index.add, index.scores, lambda signature: index.exact_score(0, signature)):
        with pytest.raises(ValueError, match=r"32|more than 60"):
            use(other)
    assert index.added == 1


def test_sizes_below_1_are_rejected() -> None:
    for sizes in ((0, 5, 1), (5, 0, 1), (5, 5, 0)):
        with pytest.raises(ValueError, match="1 or more"):
            HbstIndex(*sizes)


def features(descriptors: np.ndarray, kind: FeatureKind = FeatureKind.ORB) -> Features:
    return Features(np.zeros((len(descriptors), 2), np.float32), descriptors, 1.0, kind)


def test_the_most_telling_features_describe_a_picture() -> None:
    retriever = HbstRetriever(most=20)
    found = random(np.random.default_rng(14))
    assert np.array_equal(retriever.describe(features(found)), found[:20])
    assert retriever.describe(features(found[:0])).shape == (0, 32)
    index = retriever.open_index(7)
    index.add(retriever.describe(features(found)))
    assert (index.capacity, len(index)) == (7, 1)


def test_a_signature_does_not_keep_all_features() -> None:
    found = random(np.random.default_rng(15))
    assert HbstRetriever(most=20).describe(features(found)).base is None


def test_features_of_another_kind_are_rejected() -> None:
    with pytest.raises(ValueError, match="sift"):
        HbstRetriever().describe(features(np.zeros((3, 128), np.uint8), FeatureKind.SIFT))
