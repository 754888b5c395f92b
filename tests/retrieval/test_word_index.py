"""Places by words: DBoW2's score, each word by how rare it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.retrieval.bag import Bag
from streamvpr.retrieval.dbow import MOST_POSTINGS
from streamvpr.retrieval.inverted_file import WAITING
from streamvpr.retrieval.word_index import WordIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORDS = 50
ALL = 10**9
WEIGHTS = np.random.default_rng(0).uniform(0.5, 6, WORDS).astype(np.float32)


def bag(words: list[int] | NDArray[np.int64]) -> Bag:
    return Bag.of(np.asarray(words, np.int64))


def vector(one: Bag) -> dict[int, float]:
    """TF-IDF of sum 1 as DBoW2's BowVector."""
    values = {
        word: float(WEIGHTS[word]) * min(count, 255)
        for word, count in zip(one.words.tolist(), one.counts.tolist(), strict=True)
    }
    total = sum(values.values())
    return {word: value / total for word, value in values.items()}


def l1_score(one: Bag, other: Bag) -> float:
    """1 - |v - w| / 2, from its definition."""
    v, w = vector(one), vector(other)
    if not v or not w:
        return 0.0
    return 1 - sum(abs(v.get(word, 0) - w.get(word, 0)) for word in v.keys() | w.keys()) / 2


def rare_score(place: Bag, query: Bag, places: list[Bag]) -> float:
    """The same with each word by how rare it is among places, from its definition."""
    v, w = vector(query), vector(place)
    rare = {
        word: np.log((len(places) + 1) / (sum(word in one.words for one in places) + 0.5))
        for word in v
    }
    whole = sum(rare[word] * v[word] for word in v)
    return sum(rare[word] * min(v[word], w.get(word, 0)) for word in v) / whole if v else 0.0


def counted(index: WordIndex, places: list[Bag]) -> list[Bag]:
    """The places by which rarity is judged: of a run that is evicted in part, all."""
    return places[len(places) - index._file.counted :]


bags = st.lists(st.integers(0, WORDS - 1), max_size=30).map(bag)


@settings(max_examples=60, deadline=None)
@given(st.lists(bags, min_size=1, max_size=40), bags, st.integers(1, 12))
def test_scores_are_by_rarity_whatever_the_ring_let_go(
    places: list[Bag], query: Bag, capacity: int
) -> None:
    index = WordIndex(capacity, WEIGHTS, ALL)
    for place in places:
        index.add(place)
    kept = places[-capacity:]
    told = counted(index, places)
    expected = [rare_score(place, query, told) for place in kept]
    assert len(index) == len(kept)
    assert index.first == len(places) - len(kept)
    scores = index.scores(query)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert [index.exact_score(row, query) for row in range(len(kept))] == scores.tolist()
    rows = np.arange(0, len(kept), 2)
    assert index.scores_of(rows, query).tolist() == scores[rows].tolist()


def crowd(seed: int, places: int) -> list[Bag]:
    chance = np.random.default_rng(seed)
    return [bag(chance.integers(0, WORDS, chance.integers(0, 20))) for _ in range(places)]


def test_scores_over_many_runs_are_those_of_each_place() -> None:
    places = crowd(1, 5 * WAITING + 37)
    index = WordIndex(3 * WAITING + 5, WEIGHTS, ALL)
    for place in places:
        index.add(place)
    kept = places[-index.capacity :]
    told = counted(index, places)
    assert len(told) > len(kept)
    for query in (*crowd(2, 3), kept[0], kept[-1]):
        scores = index.scores(query)
        wanted = [rare_score(place, query, told) for place in kept]
        assert scores == pytest.approx(wanted, abs=1e-5)
        exact = [index.exact_score(row, query) for row in range(len(kept))]
        assert exact == scores.tolist()


def test_a_place_is_itself_and_nothing_like_one_without_common_words() -> None:
    index = WordIndex(3, WEIGHTS, ALL)
    for words in ([1, 1, 2, 7], [3, 4], []):
        index.add(bag(words))
    assert index.scores(bag([1, 2, 1, 7])) == pytest.approx([1, 0, 0])
    assert index.scores(bag([])).tolist() == [0, 0, 0]
    assert index.on_one_scale(index.scores(bag([]))).tolist() == [0, 0, 0]
    halves = index.on_one_scale(index.scores(bag([1, 3, 9])))
    assert halves.max() == 1
    assert index.exact_score(2, bag([1])) == 0


def test_where_all_words_are_as_rare_scores_are_dbow2s() -> None:
    places = [bag([word, (word + 1) % 10, (word + 2) % 10]) for word in range(10)]
    index = WordIndex(20, WEIGHTS, ALL)
    for place in places:
        index.add(place)
    for query in places:
        wanted = [l1_score(place, query) for place in places]
        assert index.scores(query) == pytest.approx(wanted, abs=1e-6)


def test_what_all_places_have_tells_little() -> None:
    index = WordIndex(60, np.ones(WORDS, np.float32), ALL)
    for number in range(40):
        index.add(bag([0, 1, 2, 3, 4 + number]))
    scores = index.scores(bag([0, 1, 2, 9]))
    assert scores.argmax() == 5
    assert scores[5] > 0.75
    assert scores[6] < 0.05


def test_an_exact_score_lacks_nothing_that_a_bounded_search_leaves_out() -> None:
    index = WordIndex(300, WEIGHTS, ALL)
    for place in crowd(3, 400):
        index.add(place)
    query = crowd(4, 1)[0]
    whole = index.scores(query)
    index._most_postings = 100
    assert (index.scores(query) < whole).any()
    assert [index.exact_score(row, query) for row in range(300)] == whole.tolist()


def test_a_bounded_search_reads_the_rarest_words() -> None:
    index = WordIndex(1000, np.ones(WORDS, np.float32), ALL)
    for number in range(600):
        index.add(bag([0, 1, 2 + number % 40]))
    query = bag([0, 1, 5])
    whole = index.scores(query)
    index._most_postings = 100
    read = index.scores(query)
    assert (read <= whole).all()
    alike = np.arange(600) % 40 == 3
    assert (read[alike] > 0.9).all()
    assert (read[~alike] == 0).all()
    assert (whole[~alike] > 0).all()


def test_what_is_no_bag_of_its_words_is_refused() -> None:
    index = WordIndex(3, WEIGHTS, ALL)
    for wrong in (np.zeros(5, np.float32), bag([WORDS]), bag([-1, 3])):
        with pytest.raises(ValueError, match=r"bag of words|none of"):
            index.add(wrong)  # type: ignore[arg-type]
    assert len(index) == 0
    with pytest.raises(ValueError, match="capacity"):
        WordIndex(0, WEIGHTS, ALL)


def test_eviction_frees_and_bytes_are_those_of_what_is_kept() -> None:
    index = WordIndex(256, WEIGHTS, ALL)
    sizes = []
    for place in crowd(5, 256 * 12):
        index.add(place)
        sizes.append(index.nbytes)
    # A ring and one run of places that went, at most; rows and counts of 20 words and 2.5 tables.
    assert max(sizes[256 * 2 :]) < 1.3 * max(sizes[: 256 * 2])
    tables = WordIndex(256, WEIGHTS, ALL).nbytes
    assert sizes[-1] - tables > 256 * 9 * 3 / 2


def test_a_search_among_many_places_takes_milliseconds() -> None:
    chance = np.random.default_rng(0)
    words = 10_000
    index = WordIndex(3000, chance.uniform(1, 5, words).astype(np.float32), MOST_POSTINGS)
    query: Any = None
    for _ in range(3000):
        query = bag(chance.integers(0, words, 1000))
        index.add(query)
    took = []
    for _ in range(7):
        begun = time.thread_time()
        assert index.scores(query).argmax() == 2999
        took.append(time.thread_time() - begun)
    # 4 ms where nothing else runs; all of its words, or 20,000 places, would be 30.
    assert min(took) < 0.02
