"""PCA and whitening: what it does to the pictures that it learnt from, and to others."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.errors import ConfigError
from streamvpr.export.projection import fit_projection


def descriptors(count: int, length: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around a common one, as those of an ImageNet network are."""
    chance = np.random.default_rng(seed)
    spread = chance.normal(size=(count, length)) * np.geomspace(1, 0.01, length)
    found = spread + 5 * np.ones(length)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_spreads_become_alike() -> None:
    fitted = descriptors(4000, 16)
    projection = fit_projection(fitted, 8)
    found = (descriptors(4000, 16, seed=1) - projection.mean) @ projection.matrix.T
    covariance = np.cov(found.T)
    assert np.diag(covariance) == pytest.approx(1, abs=0.1)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.1


def test_what_all_share_is_gone() -> None:
    fitted = descriptors(200, 32)
    projection = fit_projection(fitted, 16)
    others = descriptors(50, 32, seed=1)
    before = others @ others.T
    found = (others - projection.mean) @ projection.matrix.T
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    upper = np.triu_indices(50, 1)
    assert np.median(before[upper]) > 0.8
    assert abs(np.median((found @ found.T)[upper])) < 0.1


def test_the_sizes() -> None:
    projection = fit_projection(descriptors(50, 32), 7)
    assert (projection.mean.shape, projection.matrix.shape) == ((32,), (7, 32))
    assert projection.matrix.dtype == np.float32


@pytest.mark.parametrize(("count", "dim", "said"), [(50, 33, "no more than 32"), (9, 9, "more")])
def test_too_much(count: int, dim: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        fit_projection(descriptors(count, 32), dim)


def test_pictures_that_are_all_alike() -> None:
    with pytest.raises(ConfigError, match="all alike"):
        fit_projection(np.ones((50, 32), np.float32), 4)


def test_few_pictures_are_said_to_be_few(logged: object) -> None:
    fit_projection(descriptors(20, 32), 8)
    assert any("20 pictures are few" in warning for warning in logged.warnings)  # type: ignore[attr-defined]
