"""Bags of words: which they are, and what they weigh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamvpr.frames import FeatureKind
from streamvpr.retrieval.bow import BagOfWords

from .scenes import SEEN, bundled, described, featureless, features, learned, with_descriptors

# One descriptor for each of three words.
WORDS = np.zeros((3, 128), np.uint8)
WORDS[[0, 1, 2], [5, 50, 100]] = 200


def bag_of(pictures: list[list[int]]) -> BagOfWords:
    seen = [WORDS[words] for words in pictures]
    return BagOfWords.learn(seen, FeatureKind.SIFT, 0, words=3, local_axes=3)


def axes_of(encoder: BagOfWords) -> list[int]:
    """By the number of the word, which number of a descriptor it is of."""
    return (encoder.centres @ encoder.local.axes + encoder.local.mean).argmax(axis=1).tolist()


def of(encoder: BagOfWords, words: list[int]) -> dict[int, int]:
    """How often a picture of such features holds which of WORDS that tell something."""
    found = encoder.describe(with_descriptors(WORDS[words]))
    numbers = [[5, 50, 100].index(axes_of(encoder)[word]) for word in found.words.tolist()]
    return dict(zip(numbers, found.counts.tolist(), strict=True))


def test_words_are_counted() -> None:
    encoder = bag_of([[0, 1, 1], [0, 2], [1, 2]])
    assert of(encoder, [1, 1, 1, 1, 2, 0, 0]) == {0: 2, 1: 4, 2: 1}
    assert of(encoder, []) == {}


def test_words_of_every_picture_tell_nothing() -> None:
    encoder = bag_of([[0, 1], [0, 2], [0]])
    assert of(encoder, [0, 0, 1]) == {1: 1}


def test_a_rare_word_tells_more() -> None:
    encoder = bag_of([[0, 1, 1], [0], [0, 2], [1]])
    weights = dict(zip(axes_of(encoder), encoder.rarities, strict=True))
    wanted = {5: np.log(4 / 3), 50: np.log(4 / 2), 100: np.log(4 / 1)}
    assert {axis: round(float(w), 5) for axis, w in weights.items()} == {
        axis: round(float(w), 5) for axis, w in wanted.items()
    }
    index = encoder.open_index(4)
    for words in ([0, 1], [0, 2], [1, 2]):
        index.add(encoder.describe(with_descriptors(WORDS[words])))
    scores = index.scores(encoder.describe(with_descriptors(WORDS[[0, 1, 2]])))
    assert scores.argsort().tolist() == [0, 1, 2]


def test_the_order_of_features_does_not_matter() -> None:
    descriptors = features(102).descriptors
    shuffled = np.random.default_rng(0).permutation(descriptors)
    one, other = (bundled("bow").describe(with_descriptors(d)) for d in (descriptors, shuffled))
    assert repr(one) == repr(other)


def test_a_picture_without_features_is_similar_to_none() -> None:
    encoder = bundled("bow")
    index = encoder.open_index(3)
    index.add(encoder.describe(featureless()))
    index.add(encoder.describe(features(100)))
    assert index.scores(encoder.describe(featureless())).tolist() == [0, 0]
    assert index.scores(encoder.describe(features(100)))[0] == 0


def test_faint_features_make_no_words() -> None:
    encoder, whole = bundled("bow"), features(100)
    clear = np.arange(len(whole.points)) % 3 == 0
    found = encoder.describe(replace(whole, clear=clear))
    assert repr(found) == repr(encoder.describe(with_descriptors(whole.descriptors[clear])))


def test_rarities_are_those_of_the_pictures_that_were_learned_of() -> None:
    encoder = learned("bow")
    seen = np.zeros(len(encoder.centres))
    for descriptors in described():
        seen[encoder.describe(with_descriptors(descriptors)).words] += 1
    told = (encoder.rarities > 0) & (seen > 0)
    assert told.any()
    pictures = 2 * len(SEEN)
    np.testing.assert_allclose(encoder.rarities[told], np.log(pictures / seen[told]), atol=1e-5)
