"""Where decisions go: JSON lines, the output folder, several sinks as one."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr import records
from streamvpr.config import Records, RunOptions
from streamvpr.errors import OutputClosed, StoreError, StreamVPRError
from streamvpr.frames import Decision, StreamEvent, StreamState, Verdict, Verification
from streamvpr.sinks import Fanout, FolderSink, JsonLinesSink, RotatingFile, Sink
from streamvpr.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

STARTED = records.stream(
    StreamEvent(StreamState.CONNECTED), stream="cam", path="cam.mp4", frames=0, skipped=0
)

HEALTH = records.Health(
    stream="cam",
    wall_time="2025-10-09T08:53:20.000Z",
    state="connected",
    frames_in=9,
    processed=3,
    left_out=5,
    dropped=records.Dropped(overload=0, damaged=1),
    queued=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    reconnects=0,
    places=3,
    places_bytes=3000,
    resident_bytes=None,
)

SUMMARY = Summary(
    frames=84,
    closures=43,
    places=80,
    skipped=1,
    dropped=2,
    seconds=7.3,
    busy={"decode": 0.1, "embed": 5.7},
)


def told(sink: Any, decision: Decision) -> None:
    """Tell a sink a decision, and that a closure is to be reported."""
    sink.write(decision)
    if decision.accepted:
        sink.write_closure(decision)


def types_of(output: bytes) -> list[str]:
    assert output == b"" or output.endswith(b"\n")
    return [json.loads(line)["type"] for line in output.splitlines()]


class TestJsonLines:
    @pytest.mark.parametrize(
        ("kinds", "types"),
        [
            (Records.LOOPS, ["loop_closure"]),
            (Records.QUERIES, ["query", "query"]),
            (Records.ALL, ["stream", "health", "query", "query", "loop_closure"]),
        ],
    )
    def test_the_chosen_kinds_and_no_others(
        self, make_decision: Make, make_keyframe: Make, kinds: Records, types: list[str]
    ) -> None:
        output = io.BytesIO()
        sink = JsonLinesSink(output, kinds)
        sink.write_event(STARTED)
        sink.write_event(HEALTH)
        told(sink, Decision(make_keyframe(0), Verdict.EMPTY_DATABASE))
        told(sink, make_decision(40))
        sink.close()
        assert types_of(output.getvalue()) == types

    def test_every_line_is_flushed_when_it_is_known(self, make_decision: Make) -> None:
        class Watched(io.BytesIO):
            flushed = 0

            def flush(self) -> None:
                self.flushed = len(self.getvalue())

        output = Watched()
        sink = JsonLinesSink(output, Records.QUERIES)
        for index in range(5):
            told(sink, make_decision(40 + index))
            assert output.flushed == len(output.getvalue())
            assert len(types_of(output.getvalue())) == index + 1

    def test_text_beyond_ascii_is_one_line(self, make_decision: Make, make_keyframe: Make) -> None:
        output = io.BytesIO()
        name = 'Zürich\n"東京"'
        keyframe = make_keyframe(40, path=name, stream=name)
        told(JsonLinesSink(output, Records.QUERIES), make_decision(keyframe=keyframe))
        assert output.getvalue().count(b"\n") == 1
        assert json.loads(output.getvalue())["stream"] == name

    @pytest.mark.parametrize("where", ["write", "flush"])
    @pytest.mark.parametrize(
        ("raised", "mapped"),
        [
            (BrokenPipeError(errno.EPIPE, "Broken pipe"), OutputClosed),
            (OSError(errno.ENOSPC, "No space left on device"), StoreError),
        ],
        ids=["pipe", "disk"],
    )
    def test_what_the_system_says_is_an_error_of_ours(
        self, make_decision: Make, where: str, raised: OSError, mapped: type[StreamVPRError]
    ) -> None:
        class Broken(io.BytesIO):
            pass

        def fail(*_: object) -> int:
            raise raised

        output = Broken()
        setattr(output, where, fail)
        sink = JsonLinesSink(output, Records.LOOPS, name="the pipe")
        with pytest.raises(mapped, match="the pipe") as caught:
            told(sink, make_decision())
        if mapped is StoreError:
            assert "No space left" in str(caught.value)
        sink.close()

    def test_a_closed_file_is_an_error_of_ours(self, make_decision: Make) -> None:
        output = io.BytesIO()
        output.close()
        with pytest.raises(StoreError, match="closed file"):
            told(JsonLinesSink(output, Records.LOOPS), make_decision())


@pytest.fixture
def open_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Opens folder sinks, and closes their files in the end without drawing plots."""
    opened: list[FolderSink] = []

    def make(folder: Path = tmp_path, **fields: Any) -> FolderSink:
        known = {"settings": {"fps": 2.0}, "sources": ["cam.mp4"], "sim_threshold": 0.6}
        opened.append(FolderSink(folder, **{**known, **fields}))
        return opened[-1]

    yield make
    monkeypatch.setattr("streamvpr.sinks.folder.draw_similarity", lambda *_: None)
    for sink in opened:
        sink.close()


def closures(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((folder / "loop_closures.json").read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def jpeg(width: int = 64, height: int = 48) -> bytes:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1])


class TestFolder:
    def test_the_closures_are_an_array_after_every_write_and_before_the_first(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        sink = open_folder(tmp_path / "a" / "b")
        assert closures(sink.folder) == []
        told(sink, Decision(make_keyframe(0), Verdict.EMPTY_DATABASE))
        assert closures(sink.folder) == []
        for count in range(1, 6):
            told(sink, make_decision(40 + count, count))
            found = closures(sink.folder)
            assert [one["match_idx"] for one in found] == list(range(1, count + 1))
            assert {one["type"] for one in found} == {"loop_closure"}
        sink.close()
        assert len(closures(sink.folder)) == 5

    def test_a_closure_longer_than_any_buffer_is_whole(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        sink = open_folder(tmp_path)
        for index in range(3):
            told(sink, make_decision(keyframe=make_keyframe(40 + index, path="x" * 100_000)))
            assert len(closures(tmp_path)) == index + 1

    def test_a_longer_result_of_an_earlier_run_is_gone(
        self, open_folder: Make, tmp_path: Path, make_decision: Make
    ) -> None:
        first = open_folder(tmp_path)
        for index in range(20):
            told(first, make_decision(40 + index))
        second = open_folder(tmp_path)
        assert closures(tmp_path) == []
        told(second, make_decision(90))
        assert [one["query_idx"] for one in closures(tmp_path)] == [90]

    def test_stale_previews_are_removed_and_foreign_files_are_kept(
        self, open_folder: Make, tmp_path: Path
    ) -> None:
        matches = tmp_path / "matches"
        matches.mkdir()
        stale = ["000001_cam_q40_m3.jpg", "1234567_cam-2_q1_m0.jpg"]
        foreign = ["holiday.jpg", "000001.jpg", "notes.txt", "000001_cam_q40_m3.jpg.bak"]
        for name in (*stale, *foreign):
            (matches / name).write_bytes(b"x")
        (tmp_path / "mine.toml").write_text("a = 1")
        open_folder(tmp_path)
        assert sorted(path.name for path in matches.iterdir()) == sorted(foreign)
        assert (tmp_path / "mine.toml").read_text() == "a = 1"

    def test_a_preview_shows_query_and_match_side_by_side(
        self,
        open_folder: Make,
        tmp_path: Path,
        make_decision: Make,
        make_keyframe: Make,
        make_candidate: Make,
    ) -> None:
        sink = open_folder(tmp_path)
        points = np.float32([[10, 10], [600, 400]])
        told(
            sink,
            make_decision(
                keyframe=make_keyframe(40, stream="../b d", thumbnail=jpeg(64, 48)),
                match=make_candidate(3, thumbnail=jpeg(80, 60)),
                verification=Verification(
                    9, 2, homography=np.eye(3), query_points=points, match_points=points
                ),
            ),
        )
        (preview,) = (tmp_path / "matches").iterdir()
        assert preview.name == "000001_.._b_d_q40_m3.jpg"
        picture = cv2.imread(str(preview))
        assert picture is not None
        assert picture.shape[1] == 64 + 80
        assert picture.shape[0] >= 60

    def test_without_thumbnails_there_are_no_previews(
        self, open_folder: Make, tmp_path: Path, make_decision: Make
    ) -> None:
        told(open_folder(tmp_path), make_decision())
        assert list((tmp_path / "matches").iterdir()) == []

    @pytest.mark.parametrize("damaged", [b"", b"nothing", jpeg(64, 48)[:40]])
    def test_a_damaged_thumbnail_of_a_map_has_no_preview(
        self,
        open_folder: Make,
        tmp_path: Path,
        make_decision: Make,
        make_keyframe: Make,
        make_candidate: Make,
        damaged: bytes,
    ) -> None:
        query = make_keyframe(40, thumbnail=jpeg(64, 48))
        match = make_candidate(3, thumbnail=damaged)
        told(open_folder(tmp_path), make_decision(keyframe=query, match=match))
        assert list((tmp_path / "matches").iterdir()) == []

    def test_the_settings_are_written_before_anything_is_decided(
        self, open_folder: Make, tmp_path: Path
    ) -> None:
        settings = RunOptions(output_dir=Path("x")).effective()
        open_folder(tmp_path, settings=settings, sources=["a\nb = 1", 'c"\\.mp4'])
        text = (tmp_path / "run.toml").read_text(encoding="utf-8")
        assert tomllib.loads(text) == settings
        assert 'c"\\\\.mp4' in text

    def test_every_frame_has_its_record_as_soon_as_it_is_decided_on(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        (tmp_path / "queries.jsonl").write_text("of an earlier run\n" * 100)
        sink = open_folder(tmp_path)
        printed = io.BytesIO()
        for decision in (Decision(make_keyframe(0), Verdict.STATIONARY), make_decision(40)):
            told(sink, decision)
            JsonLinesSink(printed, Records.QUERIES).write(decision)
            assert (tmp_path / "queries.jsonl").read_bytes() == printed.getvalue()

    def test_the_summary_says_from_the_start_what_runs_and_in_the_end_what_it_did(
        self, open_folder: Make, tmp_path: Path
    ) -> None:
        def told() -> dict[str, Any]:
            found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
            assert isinstance(found, dict)
            return found

        sink = open_folder(tmp_path, sources=["a.mp4"])
        begun = told()
        assert (begun["command"], begun["sources"]) == ("run", ["a.mp4"])
        assert begun["machine"]["cpus"] >= 1
        assert (begun["ended"], begun["figures"], begun["matrices"]) == (None, None, [])
        sink.write_summary(SUMMARY)
        ended = told()
        assert ended["started"] == begun["started"] <= ended["ended"]
        assert ended["figures"] == {
            **{"frames": 84, "closures": 43, "places": 80, "skipped": 1, "dropped": 2},
            **{"seconds": 7.3, "busy": {"decode": 0.1, "embed": 5.7}, "undescribed": 0},
        }

    def test_a_matrix_is_drawn_of_each_stream_also_of_names_that_look_alike_in_files(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        stale = ["similarity_matrix.png", "similarity_matrix_2_a_b.png"]
        foreign = ["similarity_matrix_mine.png", "similarity_matrix.png.txt"]
        for name in (*stale, *foreign):
            (tmp_path / name).write_bytes(b"x")
        sink = open_folder(tmp_path)
        assert not [name for name in stale if (tmp_path / name).exists()]
        for index in range(3):
            for stream, vector in (("a b", [1.0, 0.0]), ("a/b", [0.6, 0.8])):
                keyframe = make_keyframe(index, stream=stream)
                told(sink, make_decision(keyframe=keyframe, descriptor=np.float32(vector)))
        sink.write_summary(SUMMARY)
        matrices = json.loads((tmp_path / "summary.json").read_text())["matrices"]
        assert [(m["stream"], m["file"]) for m in matrices] == [
            ("a b", "similarity_matrix_1_a_b.png"),
            ("a/b", "similarity_matrix_2_a_b.png"),
        ]
        for matrix in matrices:
            assert (tmp_path / matrix["file"]).read_bytes().startswith(b"\x89PNG")
            assert matrix["queries"] == [0, 1, 2]
            assert matrix["places"] == [[None, matrix["stream"], index] for index in range(3)]
        assert all((tmp_path / name).read_bytes() == b"x" for name in foreign)

    def test_a_matrix_of_one_stream_needs_no_name(
        self, open_folder: Make, tmp_path: Path, make_decision: Make
    ) -> None:
        sink = open_folder(tmp_path)
        told(sink, make_decision(descriptor=np.float32([1, 0])))
        sink.write_summary(SUMMARY)
        assert [path.name for path in tmp_path.glob("*matrix*")] == ["similarity_matrix.png"]

    def test_a_matrix_that_cannot_be_written_is_an_error(
        self, open_folder: Make, tmp_path: Path, make_decision: Make
    ) -> None:
        sink = open_folder(tmp_path)
        told(sink, make_decision(descriptor=np.float32([1, 0])))
        (tmp_path / "similarity_matrix.png").mkdir()
        with pytest.raises(StoreError, match="similarity_matrix"):
            sink.write_summary(SUMMARY)

    def test_the_plot_is_drawn_at_the_end(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        sink = open_folder(tmp_path)
        told(sink, Decision(make_keyframe(0), Verdict.STATIONARY))
        told(sink, make_decision(40))
        # Names that a typesetter would take for formulas or has no letters for.
        told(sink, make_decision(keyframe=make_keyframe(1, stream="cost_$5_and_$6")))
        told(sink, make_decision(keyframe=make_keyframe(2, stream="_hidden")))
        sink.close()
        png = (tmp_path / "similarity_plot.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None

    def test_letters_that_the_plot_s_font_lacks_cause_no_warning(
        self, open_folder: Make, tmp_path: Path, make_decision: Make, make_keyframe: Make
    ) -> None:
        sink = open_folder(tmp_path)
        told(sink, make_decision(keyframe=make_keyframe(1, stream="東京")))
        sink.close()
        assert (tmp_path / "similarity_plot.png").is_file()

    @pytest.mark.parametrize("inside", ["", "run.toml/", "a/b"])
    def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(
        self, open_folder: Make, tmp_path: Path, inside: str
    ) -> None:
        (tmp_path / "taken").write_text("a file")
        with pytest.raises(StoreError, match="taken"):
            open_folder(tmp_path / "taken" / inside)

    @pytest.mark.parametrize(
        "name", ["loop_closures.json", "run.toml", "matches", "queries.jsonl", "summary.json"]
    )
    def test_a_file_that_cannot_be_written_is_an_error_that_names_it(
        self, open_folder: Make, tmp_path: Path, name: str
    ) -> None:
        if name == "matches":
            (tmp_path / name).write_text("a file")
        else:
            (tmp_path / name).mkdir()
        with pytest.raises(StoreError, match=name):
            open_folder(tmp_path)

    def test_a_preview_that_cannot_be_written_is_an_error_and_the_closure_is_kept(
        self,
        open_folder: Make,
        tmp_path: Path,
        make_decision: Make,
        make_keyframe: Make,
        make_candidate: Make,
    ) -> None:
        sink = open_folder(tmp_path)
        (tmp_path / "matches").rmdir()
        decision = make_decision(
            keyframe=make_keyframe(40, thumbnail=jpeg()), match=make_candidate(3, thumbnail=jpeg())
        )
        with pytest.raises(StoreError, match="matches"):
            told(sink, decision)
        assert len(closures(tmp_path)) == 1

    def test_a_plot_that_cannot_be_written_is_an_error(
        self, open_folder: Make, tmp_path: Path
    ) -> None:
        sink = open_folder(tmp_path)
        (tmp_path / "similarity_plot.png").mkdir()
        with pytest.raises(StoreError, match="similarity_plot"):
            sink.close()


class Recorder(Sink):
    """A sink that notes what it was told, and fails where it should."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.heard: list[str] = []

    def write(self, decision: Decision) -> None:
        self._hear("write")

    def write_closure(self, decision: Decision) -> None:
        self._hear("closure")

    def write_event(self, event: records.Stream | records.Health) -> None:
        self._hear("stream")

    def close(self) -> None:
        self._hear("close")

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if what in self.fails:
            raise StoreError(f"{what} of {self.fails}")


class TestFanout:
    def test_all_are_served_in_order(self, make_decision: Make) -> None:
        sinks = [Recorder(), Recorder()]
        fanout = Fanout(sinks)
        fanout.write_event(STARTED)
        fanout.write(make_decision())
        fanout.close()
        assert [sink.heard for sink in sinks] == [["stream", "write", "close"]] * 2

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_one_that_fails_is_dropped_and_the_others_go_on(
        self, make_decision: Make, position: int
    ) -> None:
        sinks = [Recorder(), Recorder()]
        bad = Recorder("write")
        sinks.insert(position, bad)
        fanout = Fanout(sinks)
        with pytest.raises(StoreError):
            fanout.write(make_decision())
        fanout.write(make_decision())
        assert fanout.open
        fanout.close()
        assert bad.heard == ["write", "close"], "closed all the same"
        assert all(s.heard == ["write", "write", "close"] for s in sinks if s is not bad)

    def test_the_first_of_several_errors_is_raised(self, make_decision: Make) -> None:
        first, second = Recorder("write", "first"), Recorder("write", "second")
        fanout = Fanout([first, second])
        with pytest.raises(StoreError, match="first"):
            fanout.write(make_decision())
        assert second.heard == ["write"]
        assert not fanout.open

    def test_closing_closes_all_and_raises_the_first_error(self) -> None:
        sinks = [Recorder(), Recorder("close", "first"), Recorder("close", "second"), Recorder()]
        with pytest.raises(StoreError, match="first"):
            Fanout(sinks).close()
        assert all(sink.heard == ["close"] for sink in sinks)

    def test_one_that_failed_before_is_closed_without_another_word(
        self, make_decision: Make
    ) -> None:
        bad = Recorder("write", "close")
        fanout = Fanout([bad, Recorder()])
        with pytest.raises(StoreError, match="write"):
            fanout.write(make_decision())
        fanout.close()
        assert bad.heard == ["write", "close"]

    def test_none_at_all_is_closed_for_good(self) -> None:
        assert not Fanout([]).open
        Fanout([]).close()

    def test_after_closing_nothing_is_written(self, make_decision: Make) -> None:
        sink = Recorder()
        fanout = Fanout([sink])
        fanout.close()
        fanout.write(make_decision())
        assert not fanout.open
        assert sink.heard == ["close"]


class TestARotatingFile:
    def test_lines_go_on_in_a_new_file_and_the_oldest_goes(self, tmp_path: Path) -> None:
        path = tmp_path / "loops.jsonl"
        file = RotatingFile(path, most_bytes=30, keep=2)
        for number in range(12):
            file.write(b'{"number":%2d}\n' % number)
        file.close()
        parts = [path.with_name("loops.jsonl.2"), path.with_name("loops.jsonl.1"), path]
        numbers = [[json.loads(x)["number"] for x in p.read_text().splitlines()] for p in parts]
        assert numbers == [[6, 7], [8, 9], [10, 11]]
        assert sorted(tmp_path.iterdir()) == sorted(parts)

    def test_it_goes_on_where_it_was_and_closes_a_line_that_was_cut_off(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "loops.jsonl"
        path.write_bytes(b'{"a":1}\n{"a":')
        file = RotatingFile(path, most_bytes=1000, keep=1)
        file.write(b'{"a":2}\n')
        file.close()
        assert path.read_bytes() == b'{"a":1}\n{"a":\n{"a":2}\n'

    def test_a_line_that_is_longer_than_a_file_has_one_of_its_own(self, tmp_path: Path) -> None:
        file = RotatingFile(tmp_path / "a", most_bytes=4, keep=5)
        for line in (b"longer\n", b"1\n", b"2\n"):
            file.write(line)
        file.close()
        assert (tmp_path / "a").read_bytes() == b"1\n2\n"
        assert (tmp_path / "a.1").read_bytes() == b"longer\n"

    def test_none_are_kept_where_none_are_wanted(self, tmp_path: Path) -> None:
        file = RotatingFile(tmp_path / "a", most_bytes=4, keep=0)
        for line in (b"one\n", b"two\n"):
            file.write(line)
        file.close()
        assert [p.name for p in tmp_path.iterdir()] == ["a"]
        assert (tmp_path / "a").read_bytes() == b"two\n"

    def test_two_runs_do_not_write_to_one_file(self, tmp_path: Path) -> None:
        first = RotatingFile(tmp_path / "a", most_bytes=9, keep=1)
        with pytest.raises(StoreError, match="another run"):
            RotatingFile(tmp_path / "a", most_bytes=9, keep=1)
        first.close()
        RotatingFile(tmp_path / "a", most_bytes=9, keep=1).close()

    def test_a_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="No such file"):
            RotatingFile(tmp_path / "none" / "a", most_bytes=9, keep=1)

    def test_what_a_full_disk_leaves_of_a_line_is_taken_back(self, tmp_path: Path) -> None:
        script = (
            "import resource, signal, sys\n"
            "from pathlib import Path\n"
            "from streamvpr.sinks import RotatingFile\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
            "file = RotatingFile(Path(sys.argv[1]), most_bytes=1000, keep=1)\n"
            "file.write(b'1234567\\n')\n"
            "try:\n"
            "    file.write(b'1234567\\n')\n"
            "except OSError as error:\n"
            "    print(error.strerror)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "a")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "No space left on device\n"
        assert (tmp_path / "a").read_bytes() == b"1234567\n"
