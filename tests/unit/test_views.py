"""Views that are kept of recordings of any length."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr.views import ViewCollector


def descriptor(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_few_views_are_all_kept_in_order() -> None:
    collector = ViewCollector(most=10)
    for index in (0, 1, 4):
        collector.add(descriptor(index), 2, index)
    views = collector.views()
    assert views.indices.tolist() == [0, 1, 4]
    assert views.recordings.tolist() == [2, 2, 2]
    assert views.descriptors.shape == (3, 2)


@pytest.mark.parametrize("size", [10, 11, 100, 1000])
def test_many_are_thinned_evenly_to_at_most_so_many(size: int) -> None:
    collector = ViewCollector(most=10)
    for index in range(size):
        collector.add(descriptor(index), 0, index)
    kept = collector.views().indices
    assert min(5, size) <= len(kept) <= 10
    assert len(set(np.diff(kept).tolist())) == 1
    assert size - kept[-1] <= np.diff(kept)[0]
    assert len(collector.views().neighbours) <= 10
    assert collector.taken == size


def test_neighbours_follow_each_other_in_one_recording() -> None:
    collector = ViewCollector()
    for recording, index, angle in [(0, 0, 0.0), (0, 1, 0.1), (0, 3, 0.2), (1, 4, 0.3)]:
        collector.add(descriptor(angle), recording, index)
    assert collector.views().neighbours.tolist() == pytest.approx([np.cos(0.1)])


def test_neighbours_stay_neighbours_where_views_are_thinned() -> None:
    collector = ViewCollector(most=4)
    for index in range(40):
        collector.add(descriptor(0.1 * index), 0, index)
    assert collector.views().neighbours == pytest.approx(np.cos(0.1), abs=1e-6)
