"""Places in shards against the same places in one History."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr import descriptor_ring, hamming, shortlist
from streamvpr.cluster.atlas import Atlas, centre_of
from streamvpr.cluster.shard import Shard
from streamvpr.cluster.sharded_history import Layout, ShardedHistory, Standing
from streamvpr.database import PlaceDatabase
from streamvpr.errors import StoreError
from streamvpr.frames import Decision, Described, Features, Keyframe, Place, Position
from streamvpr.judge import Judge
from streamvpr.maps import MapModel, MapWriter, NewSession, open_reader, open_writer
from streamvpr.maps.history import load_index, starts_of
from streamvpr.maps.writer import Kept
from streamvpr.recognition import Recognizer, SearchOptions
from streamvpr.sampler import Exclusion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamvpr.maps import History

DIMENSION = 32
MODEL = MapModel("made", "0" * 64, DIMENSION, None)


class Here:
    """Shards of this process."""

    def __init__(self, shards: list[Shard]) -> None:
        self.shards = shards

    def ask(self, method: str, arguments: Sequence[tuple[Any, ...] | None]) -> list[Any]:
        return [
            None if given is None else getattr(shard, method)(*given)
            for shard, given in zip(self.shards, arguments, strict=True)
        ]


def unit(vectors: np.ndarray) -> np.ndarray:
    found = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(found, np.float32)


def write(path: Path, sessions: list[list[int]], seed: int) -> np.ndarray:
    """A map of sessions of streams of so many places, whose views change little by little."""
    rng = np.random.default_rng(seed)
    view, views = rng.normal(size=DIMENSION), []
    for number, streams in enumerate(sessions):
        began = NewSession({}, f"session{number}", began=float(number))
        writer: MapWriter = open_writer(path, MODEL, began)
        left = dict(enumerate(streams))
        indices = dict.fromkeys(left, 0)
        while left:
            # Streams of a session are written by turns, and with gaps where nothing moved.
            stream = int(rng.choice(list(left)))
            indices[stream] += int(rng.integers(1, 4))
            view = 0.8 * view + 0.6 * rng.normal(size=DIMENSION)
            # Of the streams of a session the first one knows where it is.
            position = None if stream else Position(50.0 + len(views) * 1e-4, 8.0)
            place = Place(f"s{stream}", indices[stream], None, "a.mp4", 64, None, None)
            place = replace(place, position=position)
            writer.add(Kept(place, unit(view), b"jpeg"))
            views.append(unit(view))
            left[stream] -= 1
            left = {key: count for key, count in left.items() if count}
        writer.close()
    return np.array(views)


def spread(path: Path, count: int) -> tuple[ShardedHistory, Here]:
    reader = open_reader(path)
    atlas = Atlas(path, load_index(path, reader.connection), DIMENSION, None)
    reader.close()
    parts = atlas.split(count)
    centre = None
    if len(atlas.index.numbers) > descriptor_ring.FEW:
        centre = centre_of([Shard(part, None).sum() for part in parts], parts)
    here = Here([Shard(part, centre) for part in parts])
    starts = np.array([part.start for part in parts] + [parts[-1].stop])
    layout = Layout(starts, DIMENSION, starts_of(atlas.index.lines))
    return ShardedHistory(here, layout, Standing.of(atlas.index)), here


def whole(path: Path) -> History:
    found = open_reader(path).history()
    assert found is not None
    return found


def key(place: Place) -> tuple[object, ...]:
    return (*place.key, place.time, place.path, place.width, place.position, place.thumbnail)


def decisions(history: Any, queries: np.ndarray, *, centre: bool) -> list[tuple[Any, ...]]:
    judge = Judge(sim_threshold=0.5, min_inliers=20, verifier=None)
    search = SearchOptions(top_k=3, centre=centre)
    recognizer = Recognizer(
        PlaceDatabase(1000, DIMENSION), judge, exclusion=Exclusion(5), search=search
    )
    recognizer.share([], history)
    return [told(recognizer.observe(asked(i, query))) for i, query in enumerate(queries)]


def asked(index: int, descriptor: np.ndarray) -> Described:
    features: Features | None = None
    return Described(Keyframe("now", index, None, "b.mp4", 64, 48), descriptor, features)


def told(decision: Decision) -> tuple[Any, ...]:
    match = decision.match
    confidence = None if decision.confidence is None else round(decision.confidence, 5)
    found = None if match is None else (match.place.key, match.score)
    return decision.verdict, decision.loop_id, found, confidence


streams = st.lists(st.integers(1, 40), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(
    sessions=st.lists(streams, min_size=1, max_size=3),
    shards=st.integers(1, 5),
    many=st.booleans(),
    centre=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_shards_answer_as_one_history_does(
    tmp_path_factory: pytest.TempPathFactory,
    sessions: list[list[int]],
    shards: int,
    many: bool,
    centre: bool,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("map") / "places.vpr"
    views = write(path, sessions, seed)
    rng = np.random.default_rng(seed)
    seen = views[rng.integers(0, len(views), 12)]
    queries = unit(seen + rng.normal(scale=0.3 / np.sqrt(DIMENSION), size=seen.shape))
    with pytest.MonkeyPatch.context() as patch:
        # So few that the places of a test are searched by code, too, and most are passed over.
        patch.setattr(descriptor_ring, "FEW", 30 if many else 100_000)
        for name, few in {"LEAST": 8, "BESIDE": 3, "NEWEST": 5, "EVEN": 6}.items():
            patch.setattr(shortlist, name, few)
        # As where hundreds of candidates are asked for: the oldest of those as near as each other.
        patch.setattr(hamming, "MANY", 0)
        one, (parts, here) = whole(path), spread(path, shards)
        assert len(parts) == len(one) == sum(map(sum, sessions))
        for query in queries:
            assert parts.shortlist(query).rows.tolist() == one.shortlist(query).rows.tolist()
            rows = one.shortlist(query).rows
            assert not many or len(rows) < len(one) or len(one) < 60
            assert np.abs(parts.scores(query, rows) - one.scores(query, rows)).max() < 1e-6
            assert parts.orders(rows).tolist() == one.orders(rows).tolist()
            far = parts.beyond(200.0, Position(50.0, 8.0), rows)
            assert far.tolist() == one.beyond(200.0, Position(50.0, 8.0), rows).tolist()
        for row in range(len(one)):
            place = one.place(row)
            assert key(parts.pictured(parts.place(row))) == key(one.pictured(place))
            assert parts.row_of(place) == one.row_of(place) == row
            assert parts.holds(place)
            assert parts.exact_score(row, queries[0]) == one.exact_score(row, queries[0])
        assert decisions(parts, queries, centre=centre) == decisions(one, queries, centre=centre)
    for shard in here.shards:
        shard.close()


def test_a_shard_that_is_read_again_is_the_same_whatever_the_map_got(tmp_path: Path) -> None:
    path = tmp_path / "places.vpr"
    views = write(path, [[30, 20], [25]], 3)
    history, here = spread(path, 3)
    before = [key(history.place(row)) for row in range(len(history))]
    scores = history.scores(views[7])
    with_more = open_writer(path, MODEL, NewSession({}, "now", began=-1.0))
    with_more.add(Kept(Place("s0", 5, None, "c.mp4", 64, None, None), views[0], None))
    with_more.close()
    for shard in here.shards:
        # As a process that begins anew: all that it knows is what it was made with.
        shard.close()
    history._sharded.kept.cache_clear()
    assert [key(history.place(row)) for row in range(len(history))] == before
    assert history.scores(views[7]).tolist() == scores.tolist()


def test_a_shard_whose_places_were_taken_away_says_so(tmp_path: Path) -> None:
    path = tmp_path / "places.vpr"
    write(path, [[30], [25]], 4)
    history, here = spread(path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM place WHERE id = 7")
        connection.commit()
    with pytest.raises(StoreError, match="had 55 places and has 54 of them now"):
        history.place(3)
    assert here.shards[0]._held is None
