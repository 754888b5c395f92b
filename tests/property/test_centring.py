"""Centred similarities against descriptors that are really centred."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.centring import Centring, Uncentred
from streamvpr.database import PlaceDatabase
from streamvpr.frames import Place


def place(index: int) -> Place:
    return Place("cam", index, None, "", 1, None, None)


def views(rng: np.random.Generator, count: int, shared: float) -> np.ndarray:
    """Unit vectors that have a direction in common."""
    found = rng.normal(size=(count, 16)) + shared * np.ones(16)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 60),
    capacity=st.integers(1, 40),
    shared=st.floats(0, 5),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_they_are_those_of_descriptors_less_their_mean(
    seed: int, count: int, capacity: int, shared: float
) -> None:
    rng = np.random.default_rng(seed)
    database, centring = PlaceDatabase(capacity, 16), Centring()
    kept = views(rng, count, shared)
    for index, view in enumerate(kept):
        database.add(place(index), view)
        centring.add(view)
    query = views(rng, 1, shared)[0]
    mean = kept.astype(np.float64).mean(axis=0)
    here, there = query - mean, kept[-capacity:] - mean
    lengths = np.linalg.norm(there, axis=1) * np.linalg.norm(here)
    expected = there @ here / lengths
    clear = lengths > 1e-2
    assert np.allclose(centring.scores(database, query)[clear], expected[clear], atol=2e-2)


def test_what_all_pictures_share_says_nothing() -> None:
    rng = np.random.default_rng(0)
    database, centring = PlaceDatabase(100, 16), Centring()
    for index, view in enumerate(views(rng, 100, 3.0)):
        database.add(place(index), view)
        centring.add(view)
    query = views(rng, 1, 3.0)[0]
    assert Uncentred().scores(database, query).mean() > 0.8
    assert abs(centring.scores(database, query).mean()) < 0.1


def test_before_anything_is_kept_and_for_the_mean_itself_they_are_finite() -> None:
    database, centring = PlaceDatabase(4, 16), Centring()
    view = views(np.random.default_rng(1), 1, 0)[0]
    assert len(centring.scores(database, view)) == 0
    database.add(place(0), view)
    centring.add(view)
    assert np.isfinite(centring.scores(database, view)).all()
