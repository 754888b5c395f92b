"""What vectors are likely, as a sum of bells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamvpr.retrieval.kmeans import learn_centres, nearest
from streamvpr.retrieval.sampling import unheard

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamvpr.retrieval.parameters import Parameters
    from streamvpr.retrieval.sampling import Progress

ROUNDS = 20
BLOCK = 8192
# A bell is at no number narrower than a hundredth of all vectors' variance there, so that none
# closes in on a few that are the same.
LEAST_SHARE = 0.01
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True)
class Mixture:
    """K normal distributions with a variance for each number."""

    weights: NDArray[np.float32]
    """(K,) above 0, together 1."""
    means: NDArray[np.float32]
    """(K, d)."""
    variances: NDArray[np.float32]
    """(K, d) above 0."""

    def shares(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, K) how likely each vector (N, d) is to come from which one: rows add up to 1."""
        return _softmax(self._logarithms(vectors))

    def _logarithms(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, K) logarithms of the joint densities, but for what is the same for all."""
        precisions = 1 / self.variances
        constant = (
            2 * np.log(self.weights)
            - np.log(self.variances).sum(axis=1)
            - (np.square(self.means) * precisions).sum(axis=1)
        )
        squares = np.square(vectors) @ precisions.T
        products = vectors @ (self.means * precisions).T
        return np.asarray(products - 0.5 * squares + 0.5 * constant, np.float32)

    @classmethod
    def of(cls, parameters: Parameters, numbers: int) -> Mixture:
        """That of a file's parameters, for vectors of so many numbers. Raises ModelError."""
        weights = parameters.floats("weights", None)
        means = parameters.floats("means", len(weights), numbers)
        variances = parameters.floats("variances", len(weights), numbers)
        if not (weights.min() > 0 and variances.min() > 0):
            raise parameters.error("it has weights or variances of 0 and less")
        return cls(weights, means, variances)

    @classmethod
    def learn(
        cls, vectors: NDArray[np.float32], count: int, seed: int, progress: Progress = unheard
    ) -> Mixture:
        """That of `count` of (N, d) vectors, by expectation and maximisation from k-means.

        Raises ValueError for fewer vectors than that.
        """
        floor = LEAST_SHARE * vectors.var(axis=0, dtype=np.float64) + 1e-9
        centres = learn_centres(vectors, count, seed, progress, rounds=10)
        mixture = cls._of(_hard_sums(vectors, centres), floor)
        for done in range(ROUNDS):
            progress("mixture", done, ROUNDS)
            mixture = cls._of(mixture._sums(vectors), floor)
        progress("mixture", ROUNDS, ROUNDS)
        return mixture

    def _sums(self, vectors: NDArray[np.float32]) -> _Sums:
        sums = _Sums.none(*self.means.shape)
        for start in range(0, len(vectors), BLOCK):
            block = vectors[start : start + BLOCK]
            sums.add(self.shares(block), block)
        return sums

    @classmethod
    def _of(cls, sums: _Sums, floor: NDArray[np.float64]) -> Mixture:
        held = np.maximum(sums.counts, 1e-3)[:, None]
        means = sums.vectors / held
        variances = np.maximum(sums.squares / held - np.square(means), floor)
        weights = np.maximum(sums.counts / sums.counts.sum(), LEAST_WEIGHT)
        return cls(
            (weights / weights.sum()).astype(np.float32),
            means.astype(np.float32),
            variances.astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of shares, and of vectors and their squares by shares."""

    counts: NDArray[np.float64]
    vectors: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, count: int, numbers: int) -> _Sums:
        return cls(np.zeros(count), np.zeros((count, numbers)), np.zeros((count, numbers)))

    def add(self, shares: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        self.counts[:] += shares.sum(axis=0, dtype=np.float64)
        self.vectors[:] += shares.T @ vectors
        self.squares[:] += shares.T @ np.square(vectors)


def _hard_sums(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> _Sums:
    sums = _Sums.none(*centres.shape)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        sums.add(np.eye(len(centres), dtype=np.float32)[nearest(block, centres)], block)
    return sums


def _softmax(logarithms: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
