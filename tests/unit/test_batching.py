"""Fixed batches in bound buffers: the very results of the plain way, and no new shape later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamvpr.embedding.batching import BoundRunner, PlainRunner, bucket_sizes
from streamvpr.embedding.preprocess import PixelForm
from streamvpr.embedding.runtime import load_runtime, open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]

FORM = PixelForm(32, 32)


class Watched:
    """A session, and the batch of every run of it."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.batches: list[int] = []
        self.bound = 0

    def run(self, outputs: list[str], feeds: dict[str, Any]) -> Any:
        self.batches += [len(array) for array in feeds.values()]
        return self._session.run(outputs, feeds)

    def io_binding(self) -> Any:
        return self._session.io_binding()

    def run_with_iobinding(self, binding: Any) -> None:
        self.bound += 1
        self._session.run_with_iobinding(binding)


def pictures(count: int, seed: int = 0) -> list[Any]:
    chance = np.random.default_rng([seed, count])
    return list(chance.integers(0, 256, (count, 32, 32, 3), np.uint8))


@pytest.fixture(scope="module")
def session(tiny_model: Path) -> Any:
    return open_session(load_runtime(), tiny_model, "cpu")


@pytest.fixture(scope="module")
def plain(session: Any) -> PlainRunner:
    return PlainRunner(session, "pixels", "descriptor", FORM)


def bound(session: Any, *sizes: int) -> BoundRunner:
    return BoundRunner(load_runtime(), session, "pixels", "descriptor", FORM, sizes=sizes)


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (8, (1, 2, 4, 8)),
        (24, (1, 2, 4, 8, 16, 24)),
        (1024, (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)),
    ],
)
def test_bucket_sizes(most: int, sizes: tuple[int, ...]) -> None:
    assert bucket_sizes(most) == sizes


@given(st.integers(1, 1024), st.data())
def test_nothing_is_padded_to_twice_its_number(most: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, most))
    taken = next(size for size in bucket_sizes(most) if size >= count)
    assert taken < 2 * count


@pytest.mark.parametrize("sizes", [(1,), (4,), (1, 2, 4, 8), (3, 7)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 20])
def test_bit_for_bit_as_the_plain_way(
    session: Any, plain: PlainRunner, sizes: tuple[int, ...], count: int
) -> None:
    found = bound(session, *sizes).run(pictures(count))
    np.testing.assert_array_equal(found, plain.run(pictures(count)))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(1, 13), min_size=1, max_size=6))
def test_whatever_comes_no_shape_is_new_and_no_padding_shows(
    session: Any, plain: PlainRunner, counts: list[int]
) -> None:
    watched = Watched(session)
    runner = bound(watched, 1, 2, 4)
    seen = list(watched.batches)
    assert sorted(seen) == [1, 2, 4]
    earlier = []
    for index, count in enumerate(counts):
        images = pictures(count, index)
        found = runner.run(images)
        assert len(found) == count
        earlier.append((found, plain.run(images)))
    # Looked at last, so that a result which is a view of a buffer shows.
    for found, wanted in earlier:
        np.testing.assert_array_equal(found, wanted)
    assert watched.batches == seen, "all later runs go through the bound buffers"


def test_the_smallest_and_the_largest_are_seen_first(session: Any) -> None:
    watched = Watched(session)
    bound(watched, 1, 2, 4, 8)
    assert watched.batches == [1, 8, 2, 4]


def test_two_threads_do_not_mix_their_pictures(session: Any, plain: PlainRunner) -> None:
    runner = bound(session, 4)
    wrong: list[int] = []

    def embed(seed: int) -> None:
        images = pictures(3, seed)
        wanted = plain.run(images)
        wrong.extend(seed for _ in range(50) if not np.array_equal(runner.run(images), wanted))

    threads = [threading.Thread(target=embed, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_half_precision_in_bound_buffers(make_model: Make) -> None:
    model = make_model(dtype="float16", gives="float16", layout="nchw")
    session = open_session(load_runtime(), model, "cpu")
    form = PixelForm(32, 32, "float16", "nchw", mean=(1.0, 2.0, 3.0), std=(50.0, 60.0, 70.0))
    runner = BoundRunner(load_runtime(), session, "pixels", "descriptor", form, sizes=(2,))
    found = runner.run(pictures(3))
    assert found.dtype == np.float16
    wanted = PlainRunner(session, "pixels", "descriptor", form).run(pictures(3))
    np.testing.assert_array_equal(found, wanted)


def test_the_bare_session_runs_on_what_lies_ready(session: Any, plain: PlainRunner) -> None:
    watched = Watched(session)
    images = pictures(3)
    call = PlainRunner(watched, "pixels", "descriptor", FORM).bare(images)
    assert watched.batches == []
    (found,) = call()  # type: ignore[misc]
    np.testing.assert_array_equal(found, plain.run(images))
    assert watched.batches == [3]


@pytest.mark.parametrize(("count", "runs"), [(1, 1), (4, 1), (9, 3)])
def test_the_bare_session_on_bound_buffers(session: Any, count: int, runs: int) -> None:
    watched = Watched(session)
    call = bound(watched, 1, 2, 4).bare(pictures(count))
    before = watched.bound
    call()
    assert watched.bound - before == runs
