"""Words of a vocabulary tree out of features."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from vocabularies import full_tree, scattered

from streamvpr.frames import FeatureKind, Features
from streamvpr.retrieval.dbow import DBowRetriever
from streamvpr.retrieval.vocabulary_tree import Weighting

if TYPE_CHECKING:
    from numpy.typing import NDArray


def features(descriptors: NDArray[np.uint8]) -> Features:
    return Features(
        points=np.zeros((len(descriptors), 2), np.float32),
        descriptors=descriptors,
        scale=1.0,
        kind=FeatureKind.ORB,
    )


def test_a_picture_becomes_words_without_those_that_are_stopped() -> None:
    tree = full_tree(4, 3)
    descriptors = np.random.default_rng(1).integers(0, 256, (200, 32), np.uint8)
    counted = Counter(tree.quantise(descriptors).tolist())
    stopped = counted.most_common(1)[0][0]
    tree.weights[stopped] = 0
    found = DBowRetriever(tree).describe(features(descriptors))
    del counted[stopped]
    assert dict(zip(found.words.tolist(), found.counts.tolist(), strict=True)) == counted
    assert max(counted.values()) > 1


@pytest.mark.parametrize("weighting", [Weighting.IDF, Weighting.BINARY])
def test_words_that_are_not_counted_count_once(weighting: Weighting) -> None:
    tree = full_tree(4, 2, weighting=weighting)
    descriptors = np.random.default_rng(1).integers(0, 256, (200, 32), np.uint8)
    assert set(DBowRetriever(tree).describe(features(descriptors)).counts.tolist()) == {1}


def test_a_picture_without_features_is_a_place_like_no_other() -> None:
    retriever = DBowRetriever(full_tree(4, 3))
    nothing = retriever.describe(features(np.empty((0, 32), np.uint8)))
    something = retriever.describe(features(scattered(0, 20, 5)))
    index = retriever.open_index(5)
    index.add(nothing)
    index.add(something)
    assert index.scores(something) == pytest.approx([0, 1])
    assert index.scores(nothing).tolist() == [0, 0]


def test_views_of_a_place_are_more_alike_than_those_of_others() -> None:
    retriever = DBowRetriever(full_tree(8, 3))
    index = retriever.open_index(30)
    for place in range(30):
        index.add(retriever.describe(features(scattered(place, 150, 1, noise=0))))
    for place in range(0, 30, 5):
        seen = retriever.describe(features(scattered(place, 150, 1, noise=0.02)))
        scores = index.scores(seen)
        assert scores.argmax() == place
        assert scores[place] > 1.3 * np.sort(scores)[-2]
