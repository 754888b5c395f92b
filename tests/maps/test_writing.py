"""What a run leaves in a map, and what a later one finds there."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.errors import ConfigError, ModelError, StoreError
from streamvpr.frames import FeatureKind
from streamvpr.maps import open_reader

from .made import MODEL, made_descriptor, made_place

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "campus.vpr"


def beside(path: Path) -> set[str]:
    return {entry.name for entry in path.parent.iterdir()}


class TestRoundTrip:
    def test_places_come_back_as_they_were(self, fill: Make, path: Path) -> None:
        fill("monday", 5)
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            assert len(history) == 5
            for row in range(5):
                place, made = history.place(row), made_place(row).place
                assert place.key == ("monday", "cam", row)
                assert (place.time, place.wall_time) == (made.time, made.wall_time)
                assert (place.path, place.width) == (made.path, made.width)
                assert place.features is not None
                assert made.features is not None
                for name in ("points", "descriptors", "poses"):
                    kept, given = getattr(place.features, name), getattr(made.features, name)
                    assert kept.dtype == given.dtype
                    assert np.array_equal(kept, given)
                assert place.features.size == made.features.size
                assert history.exact_score(row, made_descriptor(row)) == pytest.approx(1, abs=1e-3)

    def test_a_place_without_features_and_a_thumbnail(self, begin: Make, path: Path) -> None:
        writer = begin(model=replace(MODEL, features=None))
        kept = made_place(0)
        writer.add(kept._replace(place=replace(kept.place, features=None), thumbnail=b"jpeg"))
        writer.close()
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            place = history.place(0)
            assert place.features is None
            assert place.thumbnail is None
            assert history.pictured(place).thumbnail == b"jpeg"

    def test_one_file_is_left(self, fill: Make, path: Path) -> None:
        fill("monday", 3)
        assert beside(path) == {"campus.vpr"}

    def test_it_is_a_sqlite_file_that_says_what_it_is(self, fill: Make, path: Path) -> None:
        fill("monday", 1)
        assert path.read_bytes()[:16] == b"SQLite format 3\0"
        assert path.read_bytes()[68:72] == b"vprm"


class TestSessions:
    def test_stand_apart_and_keep_their_order(self, fill: Make, path: Path) -> None:
        fill("monday", 4)
        fill("tuesday", 3)
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            rows = np.arange(7)
            orders = history.orders(rows)
            assert (np.diff(orders[:4]) == 1).all()
            assert orders[4] - orders[3] > 200, "no neighbourhood reaches over to the next session"
            assert [history.place(r).session for r in rows] == ["monday"] * 4 + ["tuesday"] * 3
            for row in rows.tolist():
                assert history.row_of(history.place(row)) == row
                assert history.holds(history.place(row))
            assert not history.holds(made_place(0).place), "that is this run's own"

    def test_streams_of_one_session_that_came_by_turns(self, begin: Make, path: Path) -> None:
        writer = begin("monday")
        for index in range(3):
            writer.add(made_place(index, stream="left"))
            writer.add(made_place(index, stream="right", seed=100 + index))
        writer.close()
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            keys = [history.place(row).key[1:] for row in range(6)]
            assert keys == [(name, index) for name in ("left", "right") for index in range(3)]
            scores = [history.exact_score(row, made_descriptor(101)) for row in range(6)]
            assert int(np.argmax(scores)) == 4

    def test_of_one_name_get_numbers(self, fill: Make, path: Path) -> None:
        for _ in range(3):
            fill("monday", 1)
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            names = [history.place(row).session for row in range(3)]
        assert names == ["monday", "monday-2", "monday-3"]

    def test_that_keep_nothing_are_forgotten(self, begin: Make, path: Path) -> None:
        begin("monday").close()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)

    def test_an_empty_map_has_no_history(self, begin: Make, path: Path) -> None:
        begin("monday").close()
        with contextlib.closing(open_reader(path)) as reader:
            assert reader.history() is None


class TestCommitting:
    def test_within_a_second_without_being_asked(self, begin: Make, path: Path) -> None:
        writer = begin("monday")
        writer.add(made_place(0))
        began = time.monotonic()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            while connection.execute("SELECT count(*) FROM place").fetchone() == (0,):
                assert time.monotonic() - began < 5
                time.sleep(0.02)
        assert time.monotonic() - began < 1.5
        writer.close()

    def test_a_reader_sees_whole_sessions_while_one_writes(
        self, begin: Make, fill: Make, path: Path
    ) -> None:
        fill("monday", 4)
        writer = begin("tuesday")
        writer.add(made_place(0))
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            assert len(history) in (4, 5)
        writer.close()

    def test_adding_waits_for_no_disk(self, begin: Make) -> None:
        writer = begin("monday")
        places = [made_place(index) for index in range(32)]
        began = time.thread_time()
        for kept in places:
            writer.add(kept)
        assert (time.thread_time() - began) / 32 < 1e-3
        writer.close()


class TestOneWriter:
    def test_a_second_one_is_told(self, begin: Make) -> None:
        writer = begin("monday")
        with pytest.raises(StoreError, match=f"being written by another process.*{os.getpid()}"):
            begin("tuesday")
        writer.close()
        begin("tuesday").close()

    def test_one_that_was_killed_holds_nobody_up(self, begin: Make, path: Path) -> None:
        code = """
            import os, signal, sys, time
            from pathlib import Path
            from streamvpr.frames import FeatureKind
            from streamvpr.maps import MapModel, NewSession, open_writer
            model = MapModel("tiny", "ab" * 32, 16, FeatureKind.ORB)
            open_writer(Path(sys.argv[1]), model, NewSession({}, "monday"))
            os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(path)], check=False, timeout=30
        )
        assert done.returncode == -9
        assert "campus.vpr-lock" in beside(path)
        begin("tuesday").close()
        assert beside(path) == {"campus.vpr"}


class TestRefusing:
    def refused(self, begin: Make, path: Path, error: type[Exception], says: str) -> None:
        """And the file stays as it is, with nothing beside it."""
        content, names = path.read_bytes(), beside(path)
        with pytest.raises(error, match=says):
            begin("tuesday")
        assert path.read_bytes() == content
        assert beside(path) == names

    def test_another_model(self, fill: Make, begin: Make, path: Path) -> None:
        fill("monday", 2)
        content = path.read_bytes()
        other = replace(MODEL, name="other", sha256="cd" * 32)
        with pytest.raises(ModelError, match=r"with tiny .*other .* is due; give --model tiny"):
            begin("tuesday", model=other)
        assert path.read_bytes() == content

    def test_other_local_features(self, fill: Make, begin: Make) -> None:
        fill("monday", 2)
        with pytest.raises(ConfigError, match="give --local-features orb"):
            begin("tuesday", model=replace(MODEL, features=FeatureKind.SIFT))

    def test_no_local_features(self, begin: Make) -> None:
        begin("monday", model=replace(MODEL, features=None)).close()
        with pytest.raises(ConfigError, match="--no-verify-geom"):
            begin("tuesday")

    def test_geometry_off_takes_any(self, fill: Make, begin: Make) -> None:
        fill("monday", 2)
        begin("tuesday", model=replace(MODEL, features=None)).close()

    def test_what_is_no_sqlite_file(self, begin: Make, path: Path) -> None:
        path.write_bytes(b"a text")
        self.refused(begin, path, StoreError, "is no map: it is no SQLite file")

    def test_an_empty_file(self, begin: Make, path: Path) -> None:
        path.touch()
        self.refused(begin, path, StoreError, "is no map")

    def test_another_programs_file(self, begin: Make, path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE note (text)")
        self.refused(begin, path, StoreError, "another program's SQLite file")

    def test_a_newer_format(self, fill: Make, begin: Make, path: Path) -> None:
        fill("monday", 1)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 2")
        self.refused(begin, path, StoreError, "format 2.* up to 1; use a newer streamvpr")

    def test_a_truncated_one(self, fill: Make, begin: Make, path: Path) -> None:
        fill("monday", 5)
        path.write_bytes(path.read_bytes()[:-20_000])
        self.refused(begin, path, StoreError, r"is cut off: it has \d+ bytes of \d+")

    def test_a_folder_that_is_not_there(self, begin: Make, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="No such file or directory"):
            begin(path=tmp_path / "no" / "campus.vpr")

    def test_pages_full_of_noise(self, fill: Make, begin: Make, path: Path) -> None:
        fill("monday", 5)
        content = bytearray(path.read_bytes())
        content[20_000:] = np.random.default_rng(0).bytes(len(content) - 20_000)
        path.write_bytes(content)
        with pytest.raises(StoreError, match="damaged"), contextlib.closing(open_reader(path)) as r:
            r.history()


class TestFullDisk:
    def test_what_was_committed_stays(self, begin: Make, path: Path) -> None:
        """The file may not grow beyond a limit, as on a disk that is full."""
        code = """
            import resource, signal, sys, time
            from pathlib import Path
            sys.path.insert(0, sys.argv[2])
            from made import MODEL, made_place
            from streamvpr.errors import StoreError
            from streamvpr.maps import NewSession, open_writer
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            writer = open_writer(Path(sys.argv[1]), MODEL, NewSession({}, "monday"))
            writer.add(made_place(0))
            time.sleep(1)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
            try:
                for index in range(1, 100_000):
                    writer.add(made_place(index))
            except StoreError as error:
                print(error)
            try:
                writer.close()
            except StoreError as error:
                print(error)
        """
        folder = str(Path(__file__).parent)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), str(path), folder],
            check=True,
            capture_output=True,
            text=True,
            timeout=50,
        )
        said = done.stdout.splitlines()
        assert len(said) == 2
        assert all(line.startswith(f"cannot write the map {path}: ") for line in said)
        assert done.stderr == ""
        with contextlib.closing(open_reader(path)) as reader:
            history = reader.history()
            assert history is not None
            assert history.place(0).index == 0
        begin("tuesday").close()
