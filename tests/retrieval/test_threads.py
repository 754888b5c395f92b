"""Indexes of a fixed past, asked on several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streamvpr.frames import FeatureKind, Features
from streamvpr.retrieval import RetrieverKind, open_retriever

LOCAL = [kind for kind in RetrieverKind if not kind.has_network]


def features(seed: int, kind: FeatureKind) -> Features:
    chance = np.random.default_rng(seed)
    width = 32 if kind is FeatureKind.ORB else 128
    found = chance.integers(0, 256, (300, width), np.uint8)
    return Features(np.zeros((300, 2), np.float32), found, 1.0, kind)


@pytest.mark.parametrize("kind", LOCAL)
def test_each_gets_its_own_answer(kind: RetrieverKind) -> None:
    retriever = open_retriever(kind)
    assert retriever is not None
    signatures = [retriever.describe(features(seed, retriever.kind)) for seed in range(40)]
    index = retriever.open_index(60)
    for signature in signatures:
        index.add(signature)
    alone = [index.scores(signature).tobytes() for signature in signatures]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            together = threads.map(lambda one: index.scores(one).tobytes(), signatures)
            assert list(together) == alone
