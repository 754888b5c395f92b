"""hashbow: bits of features as words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streamvpr.frames import FeatureKind, Features
from streamvpr.retrieval import hashbow
from streamvpr.retrieval.hashbow import HashBowRetriever

if TYPE_CHECKING:
    from numpy.typing import NDArray


def features(descriptors: NDArray[np.uint8]) -> Features:
    return Features(np.zeros((len(descriptors), 2), np.float32), descriptors, 1.0, FeatureKind.ORB)


def descriptors(seed: int, count: int = 100) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 32), np.uint8)


def noisy(found: NDArray[np.uint8], share: float, seed: int = 0) -> NDArray[np.uint8]:
    flips = np.random.default_rng(seed).random((len(found), 256)) < share
    return found ^ np.packbits(flips, axis=1)


def test_a_word_a_table_and_feature_the_same_every_time() -> None:
    found = descriptors(0)
    bag = HashBowRetriever().describe(features(found))
    assert bag.counts.sum() == hashbow.TABLES * len(found)
    assert len(set((bag.words >> hashbow.BITS_EACH).tolist())) == hashbow.TABLES
    again = HashBowRetriever().describe(features(found[::-1].copy()))
    assert again.words.tobytes() == bag.words.tobytes()


def test_the_most_telling_features_are_enough() -> None:
    many = descriptors(0, hashbow.MOST_FEATURES + 50)
    few = HashBowRetriever().describe(features(many[: hashbow.MOST_FEATURES]))
    assert HashBowRetriever().describe(features(many)).words.tolist() == few.words.tolist()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_the_place_of_the_same_features_is_the_most_similar(share: float) -> None:
    retriever = HashBowRetriever()
    index = retriever.open_index(50)
    for seed in range(40):
        index.add(retriever.describe(features(descriptors(seed))))
    scores = index.scores(retriever.describe(features(noisy(descriptors(17), share))))
    assert scores.shape == (40,)
    assert int(scores.argmax()) == 17
    assert 0 <= scores.min() <= scores.max() <= 1
    assert scores[17] > 5 * np.sort(scores)[-2]
    assert (
        index.exact_score(17, retriever.describe(features(noisy(descriptors(17), share))))
        == (scores[17])
    )


def test_of_a_full_ring_the_newest_are_found() -> None:
    retriever = HashBowRetriever()
    index = retriever.open_index(10)
    for seed in range(25):
        index.add(retriever.describe(features(descriptors(seed))))
    assert (len(index), index.first) == (10, 15)
    for seed in range(15, 25):
        scores = index.scores(retriever.describe(features(descriptors(seed))))
        assert int(scores.argmax()) == seed - 15
    assert index.scores(retriever.describe(features(descriptors(3)))).max() < 0.1


def test_a_picture_without_features_is_like_none() -> None:
    retriever = HashBowRetriever()
    index = retriever.open_index(10)
    nothing = retriever.describe(features(np.empty((0, 32), np.uint8)))
    assert index.scores(nothing).shape == (0,)
    index.add(nothing)
    index.add(retriever.describe(features(descriptors(0))))
    assert index.scores(nothing).tolist() == [0, 0]
    assert index.scores(retriever.describe(features(descriptors(0))))[0] == 0


def test_what_a_query_reads_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rarest words are read: the place that shares them is found among those that share all."""
    monkeypatch.setattr(hashbow, "MOST_POSTINGS", 2000)
    retriever = HashBowRetriever()
    index = retriever.open_index(200)
    common = descriptors(99, 50)
    for seed in range(150):
        index.add(retriever.describe(features(np.concatenate([common, descriptors(seed, 20)]))))
    query = retriever.describe(features(np.concatenate([common, descriptors(31, 20)])))
    scores = index.scores(query)
    assert int(scores.argmax()) == 31
    assert scores[31] > 3 * np.sort(scores)[-2]


def test_one_scale_goes_up_to_the_most_similar() -> None:
    index = HashBowRetriever().open_index(10)
    assert index.on_one_scale(np.array([0.1, 0.2], np.float32)).tolist() == [0.5, 1]
    assert index.on_one_scale(np.zeros(3, np.float32)).tolist() == [0, 0, 0]
