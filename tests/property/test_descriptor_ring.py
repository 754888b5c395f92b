"""Very many descriptors: what their codes find against reading all, and what a query then sees."""

from __future__ import annotations

import numpy as np
import pytest

from streamvpr import descriptor_ring
from streamvpr.database import PlaceDatabase
from streamvpr.descriptor_ring import DescriptorRing
from streamvpr.frames import Decision, Described, Keyframe, Place, Verdict
from streamvpr.judge import Judge
from streamvpr.matching import distinct_in_time
from streamvpr.recognition import Recognizer
from streamvpr.sampler import Exclusion
from streamvpr.shortlist import EVEN, NEWEST, shortlist

DIMENSION = 64
FEW, BLOCK = 2000, 100


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptor_ring, "FEW", FEW)
    monkeypatch.setattr(descriptor_ring, "BLOCK", BLOCK)


def walk(rng: np.random.Generator, count: int, step: float = 0.5) -> np.ndarray:
    """Descriptors that change little by little and have much in common, as a stream's do."""
    shared = rng.normal(size=DIMENSION) * 1.5
    place, found = rng.normal(size=DIMENSION), []
    for _ in range(count):
        place = np.sqrt(1 - step**2) * place + step * rng.normal(size=DIMENSION)
        found.append(place + shared)
    return units(np.array(found))


def units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)


def again(rng: np.random.Generator, views: np.ndarray, noise: float = 0.2) -> np.ndarray:
    return units(views + rng.normal(scale=noise / np.sqrt(DIMENSION), size=views.shape))


def filled(views: np.ndarray, capacity: int) -> DescriptorRing:
    ring = DescriptorRing(capacity, DIMENSION)
    for view in views:
        ring.add(view)
    return ring


@pytest.mark.parametrize(
    ("capacity", "count"),
    [(9000, 2000), (9000, 7950), (9000, 8001), (9000, 9000), (9000, 12_340), (2001, 6050)],
    ids=["just many", "learned anew", "block done", "full", "wrapped", "many times around"],
)
def test_codes_find_the_most_similar_wherever_the_ring_begins(capacity: int, count: int) -> None:
    rng = np.random.default_rng(count)
    views = walk(rng, count)
    ring = filled(views, capacity)
    kept = views[-capacity:]
    assert ring.coded > len(kept) - BLOCK
    rows = rng.integers(0, ring.coded, 40)
    found = ring.nearest(again(rng, kept[rows]), 20, len(ring))
    assert found.shape == (40, 20)
    assert np.mean([row in near for row, near in zip(rows, found, strict=True)]) == 1.0


def test_very_many_that_come_at_once_are_coded_by_their_mean() -> None:
    rng = np.random.default_rng(11)
    views = walk(rng, FEW * 5)
    ring = DescriptorRing(len(views), DIMENSION)
    ring.extend(views)
    bits, _ = ring.nearest_by_bits(views[:200], len(views), len(views))
    # Unrelated codes differ in half of their bits where what all share was taken off.
    assert abs(np.median(bits) - DIMENSION / 2) < 1.0


@pytest.mark.parametrize("end", [0, 1, 700, 1500, 5999])
def test_codes_of_what_is_excluded_are_not_read(end: int) -> None:
    rng = np.random.default_rng(3)
    views = walk(rng, 9000)
    ring = filled(views, 6000)
    found = ring.nearest(again(rng, views[-3:]), 50, end)
    assert found.shape == (3, min(50, end, ring.coded))
    assert (found < end).all()
    assert all(len(set(near)) == len(near) for near in found)


def test_products_of_some_rows_are_those_of_all() -> None:
    rng = np.random.default_rng(4)
    views = walk(rng, 3000)
    ring = filled(views, 2500)
    rows = np.unique(rng.integers(0, 2500, 100))
    everything = ring.scores(views[0])
    assert np.allclose(everything, views[500:] @ views[0], atol=1e-6)
    assert np.allclose(ring.scores_of(rows, views[0]), everything[rows], atol=1e-6)
    assert ring.exact_score(7, views[0]) == pytest.approx(float(everything[7]), abs=1e-6)


def test_few_are_compared_whole() -> None:
    ring = filled(walk(np.random.default_rng(5), FEW - 1), 9000)
    found = shortlist(ring, np.ones(DIMENSION, np.float32), 1200)
    assert ring.coded == 0
    assert found.rows.tolist() == list(range(FEW - 1))
    assert found.usual.tolist() == list(range(1200))


def test_a_small_ring_keeps_no_codes() -> None:
    ring = filled(walk(np.random.default_rng(6), FEW + 500), FEW)
    assert ring.coded == 0
    assert ring.bytes_each == 4 * DIMENSION
    assert DescriptorRing(FEW + 1, DIMENSION).bytes_each == 4 * DIMENSION + DIMENSION // 8


@pytest.mark.parametrize("past", [0, 1, 5, 9000, 19_990])
def test_a_shortlist_holds_the_newest_and_an_even_sample_of_what_is_old_enough(past: int) -> None:
    rng = np.random.default_rng(7)
    views = walk(rng, 25_000)
    ring = filled(views, 20_000)
    rows, usual = shortlist(ring, views[-1], past, beside=[past // 2])
    assert (np.diff(rows) > 0).all()
    assert set(range(20_000 - NEWEST, 20_000)) <= set(rows.tolist())
    assert len(usual) == min(EVEN, past)
    assert (rows[usual] < past).all()
    if past > EVEN:
        assert np.diff(rows[usual]).max() <= -(-past // (EVEN - 1))
        assert {past // 2 - 2, past // 2 + 2} <= set(rows.tolist())


def test_candidates_of_very_many_are_those_of_sorting_all() -> None:
    rng = np.random.default_rng(8)
    count = 30_000
    views = walk(rng, count)
    database = PlaceDatabase(20_000, DIMENSION)
    for index, view in enumerate(views):
        database.add(_place(index), view)
    kept = np.arange(10_000, count)
    missed = 0
    for target in rng.choice(np.arange(10_000, 29_000), 20):
        query = again(rng, views[target])
        found = database.search(query, most=3, before=29_500)
        scores = views[10_000:29_500] @ query
        wanted = kept[distinct_in_time(scores, kept[: len(scores)], 3)]
        assert found[0].place.index == wanted[0]
        missed += len(set(wanted.tolist()) - {c.place.index for c in found})
    assert missed <= 2, "of 60, with 64 bits"


def test_a_robot_that_comes_back_after_very_many_places_knows_where_it_is() -> None:
    rng = np.random.default_rng(9)
    way = walk(rng, 12_000)
    recognizer = Recognizer(
        PlaceDatabase(11_000, DIMENSION),
        Judge(sim_threshold=0.9, min_inliers=20, verifier=None),
        exclusion=Exclusion(gap=30),
    )
    for index, view in enumerate(way):
        recognizer.remember(_described(index, view))
    stretch = range(4000, 4050)
    found = [
        recognizer.observe(_described(12_000 + at, again(rng, way[place], 0.1)))
        for at, place in enumerate(stretch)
    ]
    assert [_matched(decision) for decision in found] == list(stretch)


def _place(index: int) -> Place:
    return Place("cam", index, None, "", 1, None, None)


def _described(index: int, view: np.ndarray) -> Described:
    return Described(Keyframe("cam", index, None, "cam", 640, 480), view, None)


def _matched(decision: Decision) -> int | None:
    if decision.verdict is not Verdict.ACCEPTED or decision.match is None:
        return None
    return decision.match.place.index
