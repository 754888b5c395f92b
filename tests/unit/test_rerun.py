"""A run as a recording of Rerun, read back with the SDK's own reader."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr import records
from streamvpr.errors import ConfigError, StoreError
from streamvpr.frames import (
    Arrival,
    Decision,
    Position,
    StreamEvent,
    StreamState,
    Verdict,
    Verification,
)
from streamvpr.sinks.rerun_drawing import Track
from streamvpr.sinks.rerun_viewer import Viewer, parse_viewer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

pytest.importorskip("rerun", reason="pip install 'streamvpr[rerun]'")
reading = pytest.importorskip("rerun.chunk", reason="pip install 'rerun-sdk>=0.41'")

from streamvpr.sinks.rerun_file import RerunFileSink  # noqa: E402

HERE = Position(47.3769, 8.5417)
THERE = Position(47.3770, 8.5420)

Row = dict[str, Any]


def jpeg(shade: int = 120, width: int = 320, height: int = 240) -> bytes:
    _, data = cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))
    return bytes(data)


def run_of(*names: str, sim_threshold: float = 0.6) -> Any:
    streams = [SimpleNamespace(name=name) for name in names or ("cam",)]
    return SimpleNamespace(streams=streams, settings={"sim-threshold": sim_threshold})


@pytest.fixture
def recorded(tmp_path: Path) -> Make:
    """Rows by entity of what `draw(sink)` has drawn."""

    def record(draw: Make, run: Any = None) -> dict[str, list[Row]]:
        path = tmp_path / "run.rrd"
        sink = RerunFileSink(path)
        sink.follow(run or run_of())
        draw(sink)
        sink.close()
        return read(path)

    return record


def read(path: Path) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for chunk in reading.RrdReader(path).stream().to_chunks():
        batch = chunk.to_record_batch()
        columns = {
            name.rpartition(":")[2]: values(batch.column(name), timeline=":" not in name)
            for name in batch.schema.names
            if name not in ("rerun.controls.RowId", "log_time")
        }
        rows = [
            {name: column[at] for name, column in columns.items()} for at in range(batch.num_rows)
        ]
        found.setdefault(chunk.entity_path, []).extend(rows)
    return found


def values(column: Any, *, timeline: bool) -> list[Any]:
    return list(column.cast("int64").to_pylist() if timeline else column.to_pylist())


def moving(rows: list[Row]) -> list[Row]:
    """Without what holds at all times."""
    return [row for row in rows if "frame" in row]


class TestFrames:
    def test_each_has_its_picture_and_its_times(self, recorded: Make, make_keyframe: Make) -> None:
        pictures = [jpeg(shade) for shade in (50, 100, 150)]

        def draw(sink: Any) -> None:
            for index, picture in enumerate(pictures):
                keyframe = make_keyframe(index, thumbnail=picture)
                sink.write(Decision(keyframe, Verdict.EMPTY_DATABASE))

        rows = recorded(draw)["/cam/frame"]
        assert [bytes(row["blob"][0]) for row in rows] == pictures
        assert {row["media_type"][0] for row in rows} == {"image/jpeg"}
        assert [row["frame"] for row in rows] == [0, 1, 2]
        assert [row["stream_time"] for row in rows] == [0, 500_000_000, 1_000_000_000]
        assert "wall_time" not in rows[0]

    def test_live_ones_have_the_time_of_day(self, recorded: Make, make_keyframe: Make) -> None:
        arrival = Arrival(monotonic=12.0, taken=1_759_999_999.5)
        keyframe = make_keyframe(3, thumbnail=jpeg(), arrival=arrival)
        rows = recorded(lambda sink: sink.write(Decision(keyframe, Verdict.STATIONARY)))
        assert rows["/cam/frame"][0]["wall_time"] == 1_759_999_999_500_000_000

    def test_no_stream_has_the_time_of_another(self, recorded: Make, make_keyframe: Make) -> None:
        def draw(sink: Any) -> None:
            for index in range(2):
                clock = make_keyframe(index, stream="video", thumbnail=jpeg())
                folder = make_keyframe(index, stream="folder", time=None, thumbnail=jpeg())
                sink.write(Decision(clock, Verdict.EMPTY_DATABASE))
                sink.write(Decision(folder, Verdict.EMPTY_DATABASE))

        rows = recorded(draw, run_of("video", "folder"))
        assert all("stream_time" in row for row in rows["/video/frame"])
        assert not any("stream_time" in row for row in rows["/folder/frame"])

    @pytest.mark.parametrize(
        ("name", "entity"),
        [
            ("gate/east", r"/gate\/east/frame"),
            ("Zürich 東京", r"/Zürich\ 東京/frame"),
            ("a\udcff", r"/a\?/frame"),
            ("__x", "/__x/frame"),
        ],
    )
    def test_any_name_is_one_entity(
        self, recorded: Make, make_keyframe: Make, name: str, entity: str
    ) -> None:
        keyframe = make_keyframe(0, stream=name, thumbnail=jpeg())
        rows = recorded(
            lambda sink: sink.write(Decision(keyframe, Verdict.EMPTY_DATABASE)), run_of(name)
        )
        assert len(rows[entity]) == 1


class TestGrounds:
    def test_they_are_curves(self, recorded: Make, make_decision: Make) -> None:
        rows = recorded(lambda sink: sink.write(make_decision(40)))
        curves = {
            "similarity/best": ("similarity of the best candidate", 0.9),
            "similarity/threshold": ("threshold", 0.6),
            "inliers/found": ("inliers", 52.0),
            "inliers/needed": ("inliers needed", 20.0),
            "confidence": ("confidence", 0.97),
        }
        for entity, (name, value) in curves.items():
            (style,) = [row for row in rows[f"/cam/{entity}"] if "names" in row]
            (point,) = moving(rows[f"/cam/{entity}"])
            assert style["names"] == [name]
            assert (point["frame"], point["scalars"]) == (40, [value])

    def test_what_was_not_looked_at_has_none(self, recorded: Make, make_keyframe: Make) -> None:
        still = Decision(make_keyframe(3), Verdict.STATIONARY)
        rows = recorded(lambda sink: sink.write(still), run_of(sim_threshold=-1.0))
        for entity in ("similarity/best", "similarity/threshold", "inliers/found", "confidence"):
            assert moving(rows[f"/cam/{entity}"]) == []

    def test_the_decision_is_said_in_words(
        self, recorded: Make, make_decision: Make, make_keyframe: Make
    ) -> None:
        def draw(sink: Any) -> None:
            sink.write(Decision(make_keyframe(0), Verdict.EMPTY_DATABASE))
            sink.write(make_decision(40, verdict=Verdict.TOO_FEW_INLIERS))
            sink.write(make_decision(41))

        rows = recorded(draw)["/cam/decisions"]
        assert [row["level"][0] for row in rows] == [
            "empty_database",
            "too_few_inliers",
            "accepted",
        ]
        assert [row["text"][0] for row in rows] == [
            "#0 empty database",
            "#40 too few inliers: #3 of cam, similarity 0.900, 52 inliers of 20 needed, "
            "confidence 0.97",
            "#41 accepted: #3 of cam, similarity 0.900, 52 inliers of 20 needed, confidence 0.97",
        ]
        assert len({row["color"][0] for row in rows}) == 3

    def test_what_happened_to_the_stream(self, recorded: Make) -> None:
        lost = StreamEvent(StreamState.LOST, time=2.5, wall_time=1_759_999_999.5, cause="no answer")
        event = records.stream(lost, stream="cam", path="rtsp://x", frames=6, skipped=0)
        (row,) = recorded(lambda sink: sink.write_event(event))["/cam/events"]
        assert row["text"] == ["lost: no answer"]
        assert (row["frame"], row["stream_time"]) == (6, 2_500_000_000)
        assert row["wall_time"] == 1_759_999_999_500_000_000


class TestClosures:
    @pytest.fixture
    def closure(self, make_decision: Make, make_keyframe: Make, make_candidate: Make) -> Decision:
        """Of sources of 640 and 1280 pixels, with thumbnails of 320 and 160."""
        keyframe = make_keyframe(40, width=640, height=480, thumbnail=jpeg(60), position=HERE)
        match = make_candidate(3, width=1280, thumbnail=jpeg(180, 160, 120), position=THERE)
        points = np.array([[0, 0], [640, 480], [100, 200]], np.float32)
        verification = Verification(
            matches=80, inliers=3, query_points=points, match_points=2 * points
        )
        decision: Decision = make_decision(
            keyframe=keyframe, match=match, verification=verification
        )
        return decision

    def test_query_and_match_are_beside_each_other(self, recorded: Make, closure: Decision) -> None:
        (row,) = recorded(lambda sink: sink.write_closure(closure))["/cam/closure"]
        picture = cv2.imdecode(np.array(row["blob"][0], np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[1] == 320 + 160
        assert abs(int(picture[60, 100].mean()) - 60) < 10
        assert abs(int(picture[60, 400].mean()) - 180) < 10
        assert row["frame"] == 40

    def test_lines_join_inliers_in_pixels_of_the_pictures(
        self, recorded: Make, closure: Decision
    ) -> None:
        (row,) = recorded(lambda sink: sink.write_closure(closure))["/cam/closure/inliers"]
        np.testing.assert_allclose(
            np.array(row["strips"]),
            [
                [[0, 0], [320, 0]],
                [[320, 240], [320 + 160, 120]],
                [[50, 100], [320 + 25, 50]],
            ],
        )

    def test_one_without_pictures_or_geometry_is_no_obstacle(
        self, recorded: Make, make_decision: Make, closure: Decision
    ) -> None:
        def draw(sink: Any) -> None:
            sink.write_closure(make_decision(40))
            sink.write_closure(replace(closure, verification=None))

        rows = recorded(draw)
        assert len(rows["/cam/closure"]) == 1
        assert rows["/cam/closure/inliers"][0]["strips"] == []

    def test_places_are_on_a_map(self, recorded: Make, closure: Decision, tmp_path: Path) -> None:
        def draw(sink: Any) -> None:
            sink.write(closure)
            sink.write_closure(closure)

        rows = recorded(draw)
        here, there = [47.3769, 8.5417], [47.3770, 8.5420]
        assert rows["/cam/map/position"][0]["positions"] == [here]
        assert rows["/cam/map/track"][0]["line_strings"] == [[here]]
        assert rows["/cam/map/closure"][0]["line_strings"] == [[here, there]]
        assert views(tmp_path / "run.rrd").count("Map") == 1


def views(path: Path) -> list[str]:
    """Kinds of the views of the last layout."""
    reader = reading.RrdReader(path)
    chunks = reader.stream(store=reader.blueprints()[-1]).to_chunks()
    found = []
    for chunk in chunks:
        batch = chunk.to_record_batch()
        for name in batch.schema.names:
            if name.endswith("class_identifier"):
                found += [kind for row in batch.column(name).to_pylist() for kind in row]
    return found


class TestLayout:
    def test_each_stream_has_its_views(self, recorded: Make, tmp_path: Path) -> None:
        recorded(lambda _: None, run_of("a", "b"))
        kinds = views(tmp_path / "run.rrd")
        assert {kind: kinds.count(kind) for kind in kinds} == {
            "2D": 4,
            "TimeSeries": 6,
            "TextLog": 4,
        }


class TestFiles:
    def test_it_is_one_that_the_sdk_calls_sound(
        self, recorded: Make, make_decision: Make, make_keyframe: Make, tmp_path: Path
    ) -> None:
        def draw(sink: Any) -> None:
            for index in range(40, 60):
                sink.write(make_decision(keyframe=make_keyframe(index, thumbnail=jpeg())))

        recorded(draw)
        done = subprocess.run(
            [sys.executable, "-m", "rerun", "rrd", "verify", str(tmp_path / "run.rrd")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "without error" in done.stdout + done.stderr

    def test_what_was_there_is_kept_until_a_run_begins(self, tmp_path: Path) -> None:
        path = tmp_path / "run.rrd"
        path.write_bytes(b"of before")
        RerunFileSink(path).close()
        assert path.read_bytes() == b"of before"
        sink = RerunFileSink(path)
        sink.follow(run_of())
        sink.close()
        assert b"of before" not in path.read_bytes()
        assert read(path)

    @pytest.mark.parametrize("name", ["no/folder.rrd", "."])
    def test_one_that_cannot_be_written(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(StoreError, match="cannot write "):
            RerunFileSink(tmp_path / name)

    def test_one_that_another_run_writes(self, tmp_path: Path) -> None:
        first = RerunFileSink(tmp_path / "run.rrd")
        with pytest.raises(StoreError, match="being written by another run"):
            RerunFileSink(tmp_path / "run.rrd")
        first.close()
        RerunFileSink(tmp_path / "run.rrd").close()

    def test_a_disk_that_is_full(
        self, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        full = tmp_path / "full.rrd"
        full.symlink_to("/dev/full")
        sink = RerunFileSink(full)
        sink.follow(run_of())

        def draw() -> None:
            for index in range(5000):
                sink.write(make_decision(keyframe=make_keyframe(index, thumbnail=jpeg())))

        with pytest.raises(StoreError, match=r"full\.rrd: No space left on device"):
            draw()
        with pytest.raises(StoreError, match="No space left on device"):
            sink.close()

    def test_what_the_sdk_writes_besides_is_nothing(
        self, recorded: Make, make_decision: Make, capfd: pytest.CaptureFixture[str]
    ) -> None:
        recorded(lambda sink: sink.write(make_decision(40)))
        assert capfd.readouterr() == ("", "")


class TestTracks:
    def test_a_long_way_is_thinned_out(self) -> None:
        track = Track()
        drawn = sum(track.add(Position(0, index / 1000)) for index in range(100_000))
        assert len(track.positions) < Track.MOST
        steps = np.diff([position.longitude for position in track.positions])
        np.testing.assert_allclose(steps, steps[0])
        assert track.positions[0] == Position(0, 0)
        assert drawn < 1500


class TestViewers:
    @pytest.mark.parametrize(
        ("destination", "viewer"),
        [
            ("run.rrd", None),
            ("connect.rrd", None),
            ("/a/b c.rrd", None),
            ("connect", Viewer("127.0.0.1", 9876)),
            ("connect:desk.lan", Viewer("desk.lan", 9876)),
            ("connect:desk.lan:1234", Viewer("desk.lan", 1234)),
            ("connect:[::1]:1234", Viewer("::1", 1234)),
        ],
    )
    def test_what_is_named(self, destination: str, viewer: Viewer | None) -> None:
        assert parse_viewer(destination) == viewer

    @pytest.mark.parametrize(
        "destination",
        ["", "run", "run.mp4", "connect:", "connect::1", "connect:h:port", "connect:h:0", "conect"],
    )
    def test_what_is_none(self, destination: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_viewer(destination)
        assert "write FILE.rrd, connect or connect:HOST:PORT" in str(caught.value)

    def test_their_address_as_it_is_shown(self) -> None:
        assert re.fullmatch(r"rerun\+http://\[::1\]:9876", str(Viewer("::1")))
