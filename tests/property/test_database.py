"""The ring of places against a naive oracle, and the promise that a place is always found again."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.database import PlaceDatabase
from streamvpr.frames import Decision, Described, Features, Keyframe, Place, Verdict
from streamvpr.judge import Judge
from streamvpr.matching import NEIGHBOURHOOD, never_left
from streamvpr.recognition import Recognizer
from streamvpr.sampler import Exclusion

if TYPE_CHECKING:
    from collections.abc import Callable

DIMENSION = 3


def place(index: int, **fields: object) -> Place:
    known = {"time": None, "path": "", "width": 1, "features": None, "thumbnail": None}
    return Place(stream="cam", index=index, **{**known, **fields})  # type: ignore[arg-type]


def vector(values: object) -> np.ndarray:
    return np.asarray(values, np.float32)


@dataclass
class Oracle:
    """The same promises, kept by sorting everything."""

    capacity: int
    kept: list[tuple[int, np.ndarray]] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)

    def add(self, index: int, descriptor: np.ndarray) -> None:
        self.kept = [*self.kept, (index, descriptor)][-self.capacity :]

    def search(
        self, descriptor: np.ndarray, most: int, before: int | None, left: bool = False
    ) -> list[tuple[int, float]]:
        """(index, score) of each candidate."""
        scores = {
            index: float(kept.astype(np.float64) @ descriptor.astype(np.float64))
            for index, kept in self.kept
            if before is None or (index < before and self.seen.get(index, index) < before)
        }
        if left and self.kept:
            everywhere = np.array([kept @ descriptor for _, kept in self.kept], np.float32)
            for (index, _), same in zip(self.kept, never_left(everywhere), strict=True):
                if same:
                    scores.pop(index, None)
        picked: list[int] = []
        for index in sorted(scores, key=lambda i: (-scores[i], i)):
            if all(abs(index - other) > NEIGHBOURHOOD for other in picked):
                picked.append(index)
        return [(i, scores[i]) for i in picked[:most]]


# Quarters in three dimensions: products and sums are exact in float32, and ties are many.
descriptors = st.lists(st.integers(-4, 4), min_size=DIMENSION, max_size=DIMENSION).map(
    lambda quarters: vector(quarters) / 4
)
steps = st.tuples(st.integers(1, 4), descriptors, st.booleans(), st.integers(0, 5))


@given(
    capacity=st.integers(1, 12),
    frames=st.lists(steps, max_size=45),
    most=st.integers(1, 6),
    gap=st.integers(1, 9),
    left=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=250)
def test_an_online_search_is_what_sorting_everything_gives(
    capacity: int, frames: list[tuple[int, np.ndarray, bool, int]], most: int, gap: int, left: bool
) -> None:
    database, oracle = PlaceDatabase(capacity, DIMENSION), Oracle(capacity)
    index = -1
    known: list[int] = []
    for step, descriptor, still, back in frames:
        index += step
        before = max(0, index - gap + 1)
        found = database.search(descriptor, most=most, before=before, left=left)
        assert [(c.place.index, c.score) for c in found] == oracle.search(
            descriptor, most, before, left
        )
        if still and known:
            same = known[-1 - min(back, len(known) - 1)]
            database.mark_seen(same, index)
            oracle.seen[same] = index
        else:
            database.add(place(index), descriptor)
            oracle.add(index, descriptor)
            known.append(index)
        assert len(database) == len(oracle.kept)


@given(
    capacity=st.integers(1, 40),
    kept=st.lists(st.tuples(st.integers(1, 4), descriptors), max_size=50),
    query=descriptors,
    most=st.integers(1, 8),
    before=st.one_of(st.none(), st.integers(-2, 150)),
)
@settings(deadline=None, derandomize=True, max_examples=250)
def test_a_search_of_a_fixed_database_is_what_sorting_everything_gives(
    capacity: int,
    kept: list[tuple[int, np.ndarray]],
    query: np.ndarray,
    most: int,
    before: int | None,
) -> None:
    database, oracle = PlaceDatabase(capacity, DIMENSION), Oracle(capacity)
    for (_, descriptor), index in zip(
        kept, itertools.accumulate(step for step, _ in kept), strict=True
    ):
        database.add(place(index), descriptor)
        oracle.add(index, descriptor)
    found = database.search(query, most=most, before=before)
    assert [(c.place.index, c.score) for c in found] == oracle.search(query, most, before)


@given(scores=st.lists(st.integers(-2, 2), min_size=1, max_size=200), most=st.integers(1, 30))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_long_runs_of_equal_scores_leave_nothing_out(scores: list[int], most: int) -> None:
    database, oracle = PlaceDatabase(len(scores), 1), Oracle(len(scores))
    for index, score in enumerate(scores):
        database.add(place(index), vector([score]))
        oracle.add(index, vector([score]))
    query = vector([1])
    found = database.search(query, most=most)
    assert [(c.place.index, c.score) for c in found] == oracle.search(query, most, None)


def random_units(rng: np.random.Generator, count: int, dimension: int = 48) -> np.ndarray:
    found = rng.normal(size=(count, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def near(rng: np.random.Generator, view: np.ndarray, noise: float) -> np.ndarray:
    moved = view + rng.normal(scale=noise / np.sqrt(len(view)), size=view.shape)
    return (moved / np.linalg.norm(moved)).astype(np.float32)


GAP = 31
STANDING = 260


def observe(
    recognizer: Recognizer, index: int, descriptor: np.ndarray | None, same: int | None = None
) -> Decision:
    keyframe = Keyframe("cam", index, index / 2, "cam.mp4", 640, 480, same_view_as=same)
    return recognizer.observe(Described(keyframe, descriptor, None))


def online(capacity: int = 2000, dimension: int = 48) -> Recognizer:
    return Recognizer(
        PlaceDatabase(capacity, dimension),
        Judge(sim_threshold=0.75, min_inliers=20, verifier=None),
        exclusion=Exclusion(gap=GAP),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    noise=st.floats(0.0, 0.4),
    lead=st.integers(0, 10),
    passing=st.integers(1, 4),
    away=st.integers(GAP, 80),
    still_share=st.sampled_from([0.0, 0.0, 0.3, 0.9]),
)
@settings(deadline=None, derandomize=True, max_examples=30)
def test_every_frame_of_a_robot_that_stands_at_a_known_place_finds_it(
    seed: int, noise: float, lead: int, passing: int, away: int, still_share: float
) -> None:
    rng = np.random.default_rng(seed)
    recognizer, x = online(), random_units(rng, 1)[0]
    for index, view in enumerate(random_units(rng, lead)):
        observe(recognizer, index, view)
    passed = range(lead, lead + passing)
    for index in passed:
        observe(recognizer, index, near(rng, x, noise))
    back = lead + passing + away
    for index, view in zip(range(passed.stop, back), random_units(rng, away), strict=True):
        observe(recognizer, index, view)
    newest = None
    for index in range(back, back + STANDING):
        if newest is not None and rng.random() < still_share:
            assert observe(recognizer, index, None, newest).verdict is Verdict.STATIONARY
            continue
        newest = index
        decision = observe(recognizer, index, near(rng, x, noise))
        assert decision.verdict is Verdict.ACCEPTED, f"frame {index - back} of {STANDING}"
        assert decision.match is not None
        match = decision.match.place.index
        assert match in passed or match >= back, "it is the place X"
        assert index - match >= GAP, "and not a frame that is too recent"
        if index - back < GAP:
            assert match in passed


@given(seed=st.integers(0, 2**32 - 1), before=st.integers(0, 300))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_frames_that_are_excluded_change_nothing_however_near_they_are(
    seed: int, before: int
) -> None:
    rng = np.random.default_rng(seed)
    views, query = random_units(rng, 300), random_units(rng, 1)[0]
    past, all_of_it = PlaceDatabase(300, 48), PlaceDatabase(300, 48)
    for index, view in enumerate(views):
        if index < before:
            past.add(place(index), view)
        all_of_it.add(place(index), view if index < before else query)
    wanted = [(c.place.index, c.score) for c in past.search(query, most=5)]
    found = [(c.place.index, c.score) for c in all_of_it.search(query, most=5, before=before)]
    assert found == wanted


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes that are held at once while `work` runs."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("filled", [4000, 4096, 6000], ids=["filling", "full", "wrapped"])
@pytest.mark.parametrize("left", [False, True])
def test_a_search_copies_no_descriptors(filled: int, left: bool) -> None:
    database = PlaceDatabase(4096, 256)
    views = random_units(np.random.default_rng(0), 64, 256)
    for index in range(filled):
        database.add(place(index), views[index % 64])
    peak = peak_bytes(lambda: database.search(views[0], most=5, before=filled - 31, left=left))
    assert peak < 4096 * 256 * 4 / 8, "some numbers a place, and not its descriptor"


@pytest.mark.parametrize("filled", [10, 4096, 6000], ids=["empty", "full", "wrapped"])
def test_adding_copies_nothing(filled: int) -> None:
    database = PlaceDatabase(4096, 64)
    view = np.ones(64, np.float32)
    for index in range(filled):
        database.add(place(index), view)
    rings = (database._ring._vectors, database._orders, database._places)
    places = [place(index) for index in range(filled, filled + 100)]
    more = iter(places)
    peak = peak_bytes(lambda: [database.add(next(more), view) for _ in range(50)])
    assert peak < 30_000, "a ring has a megabyte"
    assert rings[0] is database._ring._vectors
    assert rings[1] is database._orders
    assert rings[2] is database._places


def test_a_full_ring_forgets_the_oldest_and_only_it() -> None:
    database = PlaceDatabase(4, 1)
    for index in range(0, 60, 10):
        database.add(place(index), vector([1]))
    assert len(database) == 4
    found = database.search(vector([1]), most=10)
    assert [c.place.index for c in found] == [20, 30, 40, 50]


def test_a_kept_descriptor_does_not_change_with_the_caller_s_array() -> None:
    database, view = PlaceDatabase(4, 2), vector([1, 0])
    database.add(place(0), view)
    view[:] = [0, 1]
    assert database.search(vector([1, 0]), most=1)[0].score == 1


def test_an_empty_database_has_no_candidates() -> None:
    assert PlaceDatabase(4, 2).search(vector([1, 0]), most=3) == []
    assert PlaceDatabase(4, 2).search(vector([1, 0]), most=3, before=10) == []


@pytest.mark.parametrize(("capacity", "dimension"), [(0, 4), (4, 0), (-1, 4)])
def test_sizes_below_one_are_refused(capacity: int, dimension: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        PlaceDatabase(capacity, dimension)


@pytest.mark.parametrize("index", [5, 4, 0])
def test_indices_that_do_not_increase_are_refused(index: int) -> None:
    database = PlaceDatabase(4, 1)
    database.add(place(5), vector([1]))
    with pytest.raises(ValueError, match="increase"):
        database.add(place(index), vector([1]))
    assert len(database) == 1


def test_a_descriptor_of_another_size_is_refused() -> None:
    database = PlaceDatabase(4, 2)
    with pytest.raises(ValueError, match="descriptor"):
        database.add(place(0), vector([1, 0, 0]))
    assert len(database) == 0


def test_bytes_are_those_of_what_is_kept_now() -> None:
    database = PlaceDatabase(3, 8)
    features = Features(np.zeros((10, 2), np.float32), np.zeros((10, 32), np.uint8), 1.0)
    one = 8 * 4 + 10 * (2 * 4 + 32) + 5
    for index in range(7):
        assert database.nbytes == one * min(index, 3)
        database.add(place(index, features=features, thumbnail=b"12345"), np.ones(8, np.float32))


def test_the_newest_of_a_ring_of_one_is_kept() -> None:
    database = PlaceDatabase(1, 1)
    for index in range(3):
        database.add(place(index), vector([index]))
    assert [c.place.index for c in database.search(vector([1]), most=3)] == [2]
