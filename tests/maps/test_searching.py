"""The places of a map as a past: as if they had been seen in this run, one session after the other;
and files that were changed by others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamvpr.database import PlaceDatabase
from streamvpr.errors import StreamVPRError
from streamvpr.maps import MapModel, NewSession, open_reader, open_writer
from streamvpr.maps.checking import check_map

from .made import DIMENSION, MODEL, made_descriptor, made_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


@given(
    sessions=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    most=st.integers(1, 6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_search_finds_what_a_search_of_each_session_finds(
    tmp_path_factory: Any, sessions: list[int], seed: int, most: int
) -> None:
    path = tmp_path_factory.mktemp("map") / "campus.vpr"
    apart: list[PlaceDatabase] = []
    for number, count in enumerate(sessions):
        writer = open_writer(path, MODEL, NewSession({}, f"s{number}"))
        apart.append(PlaceDatabase(count, DIMENSION))
        for index in range(count):
            kept = made_place(index, seed=seed % 1000 + 20 * number + index)
            writer.add(kept)
            # As a map keeps it.
            half = kept.descriptor.astype(np.float16).astype(np.float32)
            apart[-1].add(kept.place, half / np.linalg.norm(half))
        writer.close()
    query = made_descriptor(seed)
    with contextlib.closing(open_reader(path)) as reader:
        history = reader.history()
        assert history is not None
        found = history.search(query, most=most)
        named = [(c.place.session, c.place.index) for c in found]
        scores = [candidate.score for candidate in found]
    each = [
        (-candidate.score, number, candidate.place.index)
        for number, database in enumerate(apart)
        for candidate in database.search(query, most=most)
    ]
    expected = sorted(each)[:most]
    assert np.allclose(scores, [-score for score, *_ in expected], atol=1e-6)
    if len(np.unique(np.round(scores, 6))) == len(scores):
        assert named == [(f"s{number}", index) for _, number, index in expected]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.binary(min_size=1, max_size=40)), max_size=20),
    st.one_of(st.none(), st.integers(0, 10**9)),
)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_file_that_others_changed_gives_an_error_or_places(
    fill: Make, tmp_path: Path, changes: list[tuple[int, bytes]], cut: int | None
) -> None:
    whole = tmp_path / "campus.vpr"
    if not whole.exists():
        fill("monday", 6)
        fill("tuesday", 3, stream="left")
    content = bytearray(whole.read_bytes())
    for at, data in changes:
        at %= len(content)
        content[at : at + len(data)] = data[: len(content) - at]
    changed = tmp_path / "changed.vpr"
    changed.write_bytes(content if cut is None else content[: cut % len(content)])
    with contextlib.suppress(StreamVPRError):
        check_map(changed)
    with contextlib.suppress(StreamVPRError), contextlib.closing(open_reader(changed)) as reader:
        history = reader.history()
        if history is not None:
            for row in range(len(history)):
                history.pictured(history.place(row))
    with contextlib.suppress(StreamVPRError):
        open_writer(changed, MapModel(*MODEL.row[:3], MODEL.features), NewSession({})).close()
