"""Timing a model that takes as long as the test says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamvpr import speed
from streamvpr.speed import measure, measure_batches


class Slow:
    """An embedder that takes so many seconds a picture, the first time of a size thrice as long."""

    def __init__(self, seconds: float) -> None:
        self.card = SimpleNamespace(input=SimpleNamespace(width=8, height=8))
        self.seconds = seconds
        self.now = 0.0
        self.runs: list[int] = []

    def embed(self, images: list[Any]) -> None:
        factor = 1 if len(images) in self.runs else 3
        self.runs.append(len(images))
        self.now += factor * self.seconds * len(images)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(seconds: float) -> Slow:
        model = Slow(seconds)
        monkeypatch.setattr(speed.time, "perf_counter", lambda: model.now)
        return model

    return make


def test_the_first_run_does_not_count(slow: Any) -> None:
    model = slow(0.01)
    assert measure(model, 4) == pytest.approx(0.01)
    assert model.runs == [4] * 6


def test_a_long_run_is_not_repeated(slow: Any) -> None:
    model = slow(0.5)
    assert measure(model) == pytest.approx(1.5)
    assert model.runs == [1]


def test_batches_in_milliseconds_a_picture(slow: Any) -> None:
    found = measure_batches(slow(0.01), (1, 4))
    assert found == {1: pytest.approx(10.0), 4: pytest.approx(10.0)}


def test_a_batch_that_would_take_too_long_is_left_out(slow: Any) -> None:
    model = slow(0.4)
    found = measure_batches(model, (1, 4, 8))
    assert (found[1], found[8]) == (pytest.approx(1200.0), None)
    assert 8 not in model.runs
