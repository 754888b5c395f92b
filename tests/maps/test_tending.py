"""Looking at maps, merging them, making them smaller, handing them on."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.errors import ConfigError, ModelError, StoreError
from streamvpr.maps import open_reader
from streamvpr.maps.checking import check_map
from streamvpr.maps.contents import read_contents
from streamvpr.maps.exporting import export_map
from streamvpr.maps.merging import merge_maps
from streamvpr.maps.pruning import Rules, prune_map

from .made import MODEL, made_descriptor, made_features, made_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "campus.vpr"


def keys(path: Path) -> list[tuple[str | None, str, int]]:
    with contextlib.closing(open_reader(path)) as reader:
        history = reader.history()
        return [] if history is None else [history.place(r).key for r in range(len(history))]


def change(path: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(statement, values)


class TestContents:
    def test_what_a_map_holds(self, fill: Make, path: Path) -> None:
        fill("monday", 4)
        fill("tuesday", 2, stream="left")
        found = read_contents(path)
        assert (found.model, found.dimension, found.features) == ("tiny", 16, "orb")
        assert found.places == 6
        assert found.bytes == path.stat().st_size
        assert found.memory_bytes == 6 * 16 * 4
        assert [(s.name, s.streams) for s in found.sessions] == [
            ("monday", {"cam": 4}),
            ("tuesday", {"left": 2}),
        ]
        assert found.sessions[0].ended is not None
        assert (found.earliest, found.latest) == (
            "2023-11-14T22:13:20.000Z",
            "2023-11-14T22:13:23.000Z",
        )
        assert json.loads(json.dumps(found.as_json()))["sessions"][1]["streams"] == {"left": 2}
        assert "monday: 4 places" in found.as_text()

    def test_while_a_run_adds_to_it(self, begin: Make, path: Path) -> None:
        writer = begin("monday")
        assert read_contents(path).sessions[0].ended is None
        writer.close()


class TestChecking:
    def test_a_whole_one(self, begin: Make, path: Path) -> None:
        writer = begin("monday")
        _, jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))
        writer.add(made_place(0)._replace(thumbnail=jpeg.tobytes()))
        writer.close()
        assert check_map(path).as_json() == {"places": 1, "faults": [], "whole": True}

    @pytest.mark.parametrize(
        ("statement", "says"),
        [
            ("UPDATE place SET descriptor = x'0000' WHERE idx = 1", "not of 16 numbers"),
            ("UPDATE place SET descriptor = zeroblob(32) WHERE idx = 1", "no direction"),
            ("UPDATE local SET points = x'00' WHERE place = 2", "cannot be read"),
            ("UPDATE local SET points = zeroblob(8) WHERE place = 2", "do not fit"),
            ("UPDATE local SET kind = 'none' WHERE place = 2", "cannot be read"),
            ("INSERT INTO thumbnail VALUES (2, x'00')", "no picture"),
        ],
    )
    def test_a_value_that_cannot_be(
        self, fill: Make, path: Path, statement: str, says: str
    ) -> None:
        fill("monday", 3)
        change(path, statement)
        (fault,) = check_map(path).faults
        assert fault.startswith("place 2: ")
        assert says in fault

    def test_rows_that_belong_to_nothing(self, fill: Make, path: Path) -> None:
        fill("monday", 2)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM place WHERE idx = 1")
        assert check_map(path).faults == ["row 2 of local belongs to nothing"]


class TestMerging:
    def test_into_a_new_one(self, fill: Make, path: Path, tmp_path: Path) -> None:
        one, other = tmp_path / "one.vpr", tmp_path / "other.vpr"
        fill("monday", 3, path=one)
        fill("tuesday", 2, path=other)
        assert merge_maps(path, [one, other]).as_json() == {
            "sessions": 2,
            "known_sessions": 0,
            "places": 5,
        }
        assert keys(path) == keys(one) + keys(other)
        assert check_map(path).faults == []
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            features, made = history.place(4).features, made_features(1)
            assert features is not None
            assert np.array_equal(features.descriptors, made.descriptors)

    def test_the_same_again_adds_nothing(self, fill: Make, path: Path, tmp_path: Path) -> None:
        one = tmp_path / "one.vpr"
        fill("monday", 3, path=one)
        merge_maps(path, [one])
        before = keys(path)
        assert merge_maps(path, [one, one]).as_json() == {
            "sessions": 0,
            "known_sessions": 2,
            "places": 0,
        }
        assert keys(path) == before

    def test_of_a_session_that_has_gone_on_what_is_new(
        self, begin: Make, path: Path, tmp_path: Path
    ) -> None:
        one, copy = tmp_path / "one.vpr", tmp_path / "copy.vpr"
        writer = begin("monday", path=one)
        writer.add(made_place(0))
        writer.close()
        copy.write_bytes(one.read_bytes())
        merge_maps(path, [copy])
        change(one, "UPDATE place SET idx = 7")
        assert merge_maps(path, [one]).places == 1
        assert [index for *_, index in keys(path)] == [0, 7]

    def test_sessions_of_one_name(self, fill: Make, path: Path, tmp_path: Path) -> None:
        one, other = tmp_path / "one.vpr", tmp_path / "other.vpr"
        fill("monday", 1, path=one)
        fill("monday", 1, path=other)
        merge_maps(path, [one, other])
        assert [session for session, *_ in keys(path)] == ["monday", "monday-2"]

    def test_of_another_model_nothing_comes(self, fill: Make, path: Path, tmp_path: Path) -> None:
        one, other = tmp_path / "one.vpr", tmp_path / "other.vpr"
        fill("monday", 1, path=one)
        fill("monday", 1, path=other, model=replace(MODEL, sha256="cd" * 32))
        with pytest.raises(ModelError, match=r"other\.vpr was made with"):
            merge_maps(path, [one, other])
        assert not path.exists()

    def test_a_damaged_one_leaves_the_other_as_it_was(
        self, fill: Make, path: Path, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.vpr"
        fill("monday", 2)
        fill("tuesday", 40, path=other)
        content = bytearray(other.read_bytes())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
        other.write_bytes(content)
        before = keys(path)
        with pytest.raises(StoreError, match=r"other\.vpr"):
            merge_maps(path, [other])
        assert keys(path) == before

    def test_into_itself(self, fill: Make, path: Path) -> None:
        fill("monday", 1)
        with pytest.raises(ConfigError, match="into itself"):
            merge_maps(path, [path])


class TestPruning:
    def test_by_name(self, fill: Make, path: Path) -> None:
        fill("monday", 30)
        fill("tuesday", 2)
        found = prune_map(path, Rules(sessions=["monday"]))
        assert found.sessions_removed == ["monday"]
        assert (found.places_before, found.places) == (32, 2)
        assert found.bytes == path.stat().st_size < found.bytes_before
        assert {session for session, *_ in keys(path)} == {"tuesday"}
        assert check_map(path).faults == []

    def test_by_age(self, fill: Make, path: Path) -> None:
        fill("monday", 2)
        fill("tuesday", 2)
        change(path, "UPDATE session SET began = began - 86400 * 40 WHERE name = 'monday'")
        assert prune_map(path, Rules(older_than=50)).sessions_removed == []
        assert prune_map(path, Rules(older_than=30)).sessions_removed == ["monday"]

    def test_a_session_that_is_not_there(self, fill: Make, path: Path) -> None:
        fill("monday", 2)
        with pytest.raises(ConfigError, match="no session 'friday'"):
            prune_map(path, Rules(sessions=["monday", "friday"]))
        assert len(keys(path)) == 2

    def test_without_a_rule(self, fill: Make, path: Path) -> None:
        fill("monday", 2)
        with pytest.raises(ConfigError, match="--session, --older-than, --most or --share"):
            prune_map(path, Rules())

    def test_what_was_seen_twice_is_kept_once(self, begin: Make, path: Path) -> None:
        """Two sessions of the same ten places: half of it shows all of them."""
        for day in ("monday", "tuesday"):
            writer = begin(day)
            for index in range(10):
                # Places of one session have nothing in common.
                writer.add(made_place(index))
            writer.close()
        found = prune_map(path, Rules(share=0.5), measure=True)
        assert (found.places, found.covered) == (10, 10)
        assert sorted(index for *_, index in keys(path)) == list(range(10))
        assert {session for session, *_ in keys(path)} == {"tuesday"}, "the newer ones stay"

    def test_of_one_session_neighbours_stand_for_each_other(self, begin: Make, path: Path) -> None:
        writer = begin("monday")
        for index in range(20):
            # Each two that follow each other show much the same.
            kept = made_place(index, seed=index // 2)
            nudge = made_descriptor(500 + index) * np.float32(0.05)
            writer.add(kept._replace(descriptor=kept.descriptor + nudge))
        writer.close()
        prune_map(path, Rules(most=10))
        assert sorted(index // 2 for *_, index in keys(path)) == list(range(10))

    def test_down_to_fewer_than_places_that_differ(self, fill: Make, path: Path) -> None:
        fill("monday", 9)
        assert prune_map(path, Rules(most=2)).places == 2

    def test_to_more_than_there_are(self, fill: Make, path: Path) -> None:
        fill("monday", 3)
        assert prune_map(path, Rules(most=100)).places == 3


class TestExporting:
    def test_for_numpy(self, fill: Make, path: Path, tmp_path: Path) -> None:
        fill("monday", 3)
        assert export_map(path, tmp_path / "places.npz") == 3
        with np.load(tmp_path / "places.npz", allow_pickle=False) as found:
            assert found["descriptor"].shape == (3, 16)
            assert found["descriptor"].dtype == np.float16
            assert found["session"].tolist() == ["monday"] * 3
            assert found["idx"].tolist() == [0, 1, 2]
            assert np.isnan(found["latitude"]).all()
            assert np.allclose(found["descriptor"][1], made_descriptor(1), atol=1e-3)

    def test_for_tables(self, fill: Make, path: Path, tmp_path: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
        fill("monday", 3)
        assert export_map(path, tmp_path / "places.parquet") == 3
        table = parquet.read_table(tmp_path / "places.parquet").to_pydict()
        assert table["idx"] == [0, 1, 2]
        assert table["latitude"] == [None] * 3
        assert np.allclose(table["descriptor"][1], made_descriptor(1), atol=1e-3)

    def test_for_maps_on_paper(self, fill: Make, path: Path, tmp_path: Path) -> None:
        fill("monday", 3)
        change(path, "UPDATE place SET latitude = 47.5, longitude = 8.25 WHERE idx = 1")
        assert export_map(path, tmp_path / "places.geojson") == 1
        (feature,) = json.loads((tmp_path / "places.geojson").read_text())["features"]
        assert feature["geometry"] == {"type": "Point", "coordinates": [8.25, 47.5]}
        assert feature["properties"]["idx"] == 1
        assert feature["properties"]["wall_time"] == "2023-11-14T22:13:21.000Z"

    def test_without_any_position(self, fill: Make, path: Path, tmp_path: Path) -> None:
        fill("monday", 1)
        with pytest.raises(StoreError, match="no place of the map has a position"):
            export_map(path, tmp_path / "places.geojson")
        assert {entry.name for entry in tmp_path.iterdir()} == {"campus.vpr"}

    def test_to_what_nobody_knows(self, fill: Make, path: Path, tmp_path: Path) -> None:
        fill("monday", 1)
        with pytest.raises(ConfigError, match=r"must end in \.npz, \.parquet, \.geojson"):
            export_map(path, tmp_path / "places.csv")
