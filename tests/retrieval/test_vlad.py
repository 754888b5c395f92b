"""VLAD: what a descriptor of it is made of, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamvpr.frames import FeatureKind
from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.projection import Projection, is_featureless
from streamvpr.retrieval.unit_vectors import unit_vectors
from streamvpr.retrieval.vlad import residuals

from .scenes import UNSEEN, bundled, features, learn, learned, with_descriptors


def points(seed: int, count: int = 200, numbers: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, numbers)).astype(np.float32)


def test_residuals_are_the_sums_of_what_features_differ_by() -> None:
    vectors, centres = points(0), points(1, 6)
    distances = np.linalg.norm(vectors[:, None] - centres, axis=2)
    sums = [
        (vectors[distances.argmin(axis=1) == word] - centres[word]).sum(axis=0) for word in range(6)
    ]
    wanted = np.array([one / np.linalg.norm(one) for one in sums]) / np.sqrt(6)
    np.testing.assert_allclose(residuals(vectors, centres), wanted, atol=1e-5)


def test_a_word_that_bursts_weighs_no_more_than_others() -> None:
    centres = np.array([[0, 0], [10, 0]], np.float32)
    one_each = np.array([[0, 1], [10, 1]], np.float32)
    many = np.concatenate([one_each, np.repeat(one_each[:1], 50, axis=0)])
    np.testing.assert_allclose(residuals(many, centres), residuals(one_each, centres), atol=1e-6)


def test_words_without_features_and_features_in_their_centre_say_nothing() -> None:
    centres = np.array([[0, 0], [10, 0], [20, 0]], np.float32)
    found = residuals(np.array([[10, 0], [20, 3]], np.float32), centres)
    np.testing.assert_allclose(found, [[0, 0], [0, 0], [0, 1]], atol=1e-6)
    assert not residuals(centres, centres).any()


def test_centres_lie_in_what_they_are_nearest_to() -> None:
    middles = 20 * points(2, 5)
    vectors = (middles[:, None] + points(3, 40)[None]).reshape(-1, 8)
    centres = learn_centres(vectors, 5, seed=1)
    for word, centre in enumerate(centres):
        own = vectors[nearest(vectors, centres) == word]
        np.testing.assert_allclose(own.mean(axis=0), centre, atol=1e-3)


def test_a_centre_that_nothing_is_nearest_to_begins_anew() -> None:
    # All drawn to begin with are the same vector, most likely.
    vectors = np.concatenate([np.zeros((500, 8), np.float32), 5 + points(4, 20)])
    for seed in range(5):
        assert len(np.unique(nearest(vectors, learn_centres(vectors, 6, seed)))) > 1


def test_too_few_features_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        learn_centres(points(0, 5), 6, seed=0)


def test_axes_lie_within_blocks_and_keep_most_of_the_length() -> None:
    chance = np.random.default_rng(5)
    # Each block has length along one direction alone, the second three times as much.
    along = chance.normal(size=(300, 2, 1)) * np.array([1, 3])[:, None]
    directions = np.array([[0.6, 0.8, 0], [0, 0, 1]])
    vectors = (along * directions).astype(np.float32)
    found = Projection.learn([vectors], 2)
    assert found.blocks.tolist() == [1, 0]
    np.testing.assert_allclose(found.axes, directions[::-1], atol=1e-5)
    in_parts = Projection.learn(
        [vectors[:100], np.array([[[9, 0, 0], [0, 0, 0]]]), vectors[100:]], 2
    )
    assert in_parts.blocks.tolist() == [1, 0]
    assert in_parts.axes[1][0] > found.axes[1][0] + 0.01
    with pytest.raises(ValueError, match="7 axes"):
        Projection.learn([vectors], 7)


def test_bits_make_descriptors_as_well() -> None:
    encoder = bundled("vlad-orb")
    assert encoder.kind is FeatureKind.ORB
    ring = encoder.open_index(len(UNSEEN))
    for scene in UNSEEN:
        ring.add(encoder.describe(features(scene, 0, FeatureKind.ORB)))
    for row, scene in enumerate(UNSEEN):
        view = features(scene, 1, FeatureKind.ORB)
        assert ring.scores(encoder.describe(view)).argmax() == row


def test_no_number_of_a_descriptor_outweighs_the_others() -> None:
    encoder = learned("vlad")
    vectors = encoder.local.along(unit_vectors(features(100).descriptors, FeatureKind.SIFT))
    plain = residuals(vectors, encoder.centres).ravel()
    rooted = encoder.describe(with_descriptors(features(100).descriptors))
    assert rooted[-1] == 0
    np.testing.assert_array_equal(np.sign(rooted[:-1]), np.sign(plain))
    np.testing.assert_allclose(rooted[:-1] ** 2, np.abs(plain) / np.abs(plain).sum(), atol=1e-6)


def test_faint_features_make_no_words() -> None:
    encoder, whole = learned("vlad"), features(100)
    clear = np.arange(len(whole.points)) % 3 == 0
    found = encoder.describe(replace(whole, clear=clear))
    np.testing.assert_array_equal(
        found, encoder.describe(with_descriptors(whole.descriptors[clear]))
    )
    nothing = encoder.describe(replace(whole, clear=np.zeros(len(clear), bool)))
    assert is_featureless(nothing)


def test_root_sift_and_bits_have_length_1() -> None:
    sift = unit_vectors(features(0).descriptors, FeatureKind.SIFT)
    counts = features(0).descriptors.astype(float)
    np.testing.assert_allclose(sift**2, counts / counts.sum(axis=1, keepdims=True), atol=1e-6)
    bits = unit_vectors(np.array([[255, *[0] * 31]], np.uint8), FeatureKind.ORB)
    np.testing.assert_allclose(np.linalg.norm(bits), 1, atol=1e-6)
    assert (bits[0, :8] > 0).all()
    assert (bits[0, 8:] < 0).all()
    assert not unit_vectors(np.zeros((1, 128), np.uint8), FeatureKind.SIFT).any()


def test_another_seed_gives_other_centres() -> None:
    assert not np.array_equal(learned("vlad").centres, learn("vlad", seed=4).centres)
