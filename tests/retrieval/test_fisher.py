"""Fisher vectors: mixtures that fit, and gradients that are those of the likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.retrieval.fisher import gradients
from streamvpr.retrieval.mixture import Mixture

MIXTURE = Mixture(
    np.array([0.7, 0.3], np.float32),
    np.array([[0, 0], [3, 1]], np.float32),
    np.array([[1, 0.5], [0.3, 2]], np.float32),
)


def drawn(count: int, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    which = chance.choice(2, count, p=[0.7, 0.3])
    normal = chance.normal(size=(count, 2))
    return (MIXTURE.means[which] + normal * np.sqrt(MIXTURE.variances[which])).astype(np.float32)


def likelihood(vectors: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> float:
    apart = (vectors[:, None].astype(float) - means) / deviations
    densities = np.exp(-0.5 * (apart**2).sum(axis=2)) / deviations.prod(axis=1)
    return float(np.log((densities * MIXTURE.weights).sum(axis=1)).sum())


def test_shares_add_up_and_go_to_the_nearer() -> None:
    shares = MIXTURE.shares(np.array([[0, 0], [3, 1], [100, 100]], np.float32))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert shares[0, 0] > 0.9
    assert shares[1, 1] > 0.9


def test_a_mixture_is_found_again() -> None:
    found = Mixture.learn(drawn(20_000), 2, seed=0)
    order = np.argsort(found.means[:, 0])
    np.testing.assert_allclose(found.weights[order], MIXTURE.weights, atol=0.03)
    np.testing.assert_allclose(found.means[order], MIXTURE.means, atol=0.1)
    np.testing.assert_allclose(found.variances[order], MIXTURE.variances, rtol=0.15)


def test_vectors_that_are_all_the_same_leave_numbers_finite() -> None:
    found = Mixture.learn(np.ones((50, 3), np.float32), 4, seed=0)
    assert (found.variances > 0).all()
    assert np.isfinite(found.shares(np.zeros((2, 3), np.float32))).all()


def test_gradients_are_those_of_the_likelihood() -> None:
    vectors, step = drawn(60, seed=1), 1e-5
    means, deviations = MIXTURE.means.astype(float), np.sqrt(MIXTURE.variances.astype(float))
    wanted = np.empty((2, 4))
    for component in range(2):
        for number in range(2):
            nudge = np.zeros((2, 2))
            nudge[component, number] = step
            by_mean = likelihood(vectors, means + nudge, deviations) - likelihood(
                vectors, means - nudge, deviations
            )
            by_deviation = likelihood(vectors, means, deviations + nudge) - likelihood(
                vectors, means, deviations - nudge
            )
            # Fisher's information of a mean is w / s², of a deviation 2 w / s².
            scale = deviations[component, number] / np.sqrt(MIXTURE.weights[component])
            wanted[component, number] = by_mean / (2 * step) * scale
            wanted[component, 2 + number] = by_deviation / (2 * step) * scale / np.sqrt(2)
    rooted = np.sign(wanted) * np.sqrt(np.abs(wanted))
    found = gradients(vectors, MIXTURE)
    np.testing.assert_allclose(found, rooted / np.linalg.norm(rooted), atol=1e-3)


def test_too_few_features_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        Mixture.learn(drawn(3), 4, seed=0)
