"""Maps across runs, at the outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.maps.checking import check_map

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    return tmp_path / "campus.vpr"


class TestTwoSessions:
    def test_the_second_knows_the_first_from_its_first_frame_on(
        self, run: Make, flight: Any, campus: Path
    ) -> None:
        first = run(flight.path, "--map", campus, "--session", "monday")
        assert first.code == 0
        assert {line["match_session"] for line in first.lines} == {None}
        second = run(flight.path, "--map", campus, "--records", "queries").lines
        assert [line["decision"] for line in second] == ["accepted"] * flight.frames
        # The lap's first places were seen twice on Monday, too.
        for line in second:
            assert line["match_session"] == "monday"
            assert line["match_stream"] == "flight"
            assert abs(line["match_idx"] - line["query_idx"]) % flight.lap <= 1
        assert check_map(campus).as_json() == {
            "places": 2 * flight.frames,
            "faults": [],
            "whole": True,
        }

    def test_the_closures_show_what_was_seen_then(
        self, run: Make, flight: Any, campus: Path, tmp_path: Path
    ) -> None:
        run(flight.path, "--map", campus, "--session", "monday")
        out = tmp_path / "out"
        closures = run(flight.path, "--map", campus, "--output-dir", out).lines
        assert closures[0]["match_session"] == "monday"
        assert closures[0]["match_wall_time"] is None, "a file does not say when it was seen"
        assert len(list((out / "matches").iterdir())) == len(closures)
        assert json.loads((out / "loop_closures.json").read_text()) == closures

    def test_without_a_map_records_say_nothing_of_sessions(self, run: Make, flight: Any) -> None:
        for records in ("loops", "queries"):
            for line in run(flight.path, "--records", records).lines:
                assert not [key for key in line if "session" in key or key == "match_wall_time"]

    def test_read_only_adds_nothing(self, run: Make, flight: Any, campus: Path) -> None:
        run(flight.path, "--map", campus)
        content = campus.read_bytes()
        done = run(flight.path, "--map", campus, "--map-read-only")
        assert done.code == 0
        assert done.lines[0]["query_idx"] == 0
        assert campus.read_bytes() == content

    def test_a_map_as_the_database_of_match(
        self, run: Make, cli: Make, tiny_model: Path, flight: Any, campus: Path, tmp_path: Path
    ) -> None:
        run(flight.path, "--map", campus, "--session", "monday")
        options = ["--model", tiny_model, "--fps", 0, "--threads", 1]
        where = ["--output-dir", tmp_path / "out"]
        done = cli("match", campus, flight.path, *options, *where)
        assert done.code == 0
        assert {line["match_session"] for line in done.lines} == {"monday"}
        assert [line["query_idx"] for line in done.lines] == list(range(flight.frames))
        (matrix,) = json.loads((tmp_path / "out" / "summary.json").read_text())["matrices"]
        assert matrix["places"] == [["monday", "flight", index] for index in range(flight.frames)]

    def test_several_streams_and_sessions(self, run: Make, make_flight: Make, campus: Path) -> None:
        here, there = make_flight(1, frames=30), make_flight(2, frames=30)
        run(f"a={here.path}", f"b={there.path}", "--map", campus, "--session", "monday")
        done = run(f"c={there.path}", f"d={here.path}", "--map", campus).lines
        known = {"c": "b", "d": "a"}
        assert done
        for line in done:
            assert line["match_stream"] == known[line["stream"]]
            assert line["match_idx"] == line["query_idx"]

    def test_batches_change_nothing(self, run: Make, flight: Any, campus: Path) -> None:
        run(flight.path, "--map", campus, "--session", "monday")
        read = ["--map", campus, "--map-read-only", "--records", "queries"]
        one, other = (run(flight.path, *read, "--batch-size", size).out for size in (1, 8))
        assert one == other


class TestRefusing:
    def test_another_model(self, run: Make, cli: Make, flight: Any, campus: Path) -> None:
        run(flight.path, "--map", campus)
        content = campus.read_bytes()
        done = cli("run", flight.path, "--map", campus, "--fps", 0)
        assert done.code == 3
        assert "was made with tiny" in done.error
        assert campus.read_bytes() == content

    @pytest.mark.parametrize("command", ["run", "info", "verify", "prune"])
    def test_what_is_no_map(
        self, cli: Make, run: Make, flight: Any, tmp_path: Path, command: str
    ) -> None:
        other = tmp_path / "notes.txt"
        other.write_text("notes")
        if command == "run":
            done = run(flight.path, "--map", other)
        else:
            done = cli("map", command, other, *(["--most", 1] if command == "prune" else []))
        assert done.code == 5
        assert "is no map" in done.error
        assert other.read_text() == "notes"
        assert {entry.name for entry in tmp_path.iterdir()} == {"notes.txt"}

    def test_a_read_only_file(
        self, command: list[str], run: Make, tiny_model: Path, flight: Any, campus: Path
    ) -> None:
        run(flight.path, "--map", campus)
        campus.chmod(0o444)
        content = campus.read_bytes()
        line = [*command, "run", str(flight.path), "--map", str(campus), "--fps", "0"]
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root may write everywhere, and there is no setpriv to forbid it")
            line = ["setpriv", "--bounding-set", "-dac_override", *line]
        line += ["--model", str(tiny_model)]
        done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=30)
        assert done.returncode == 5, done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith("streamvpr: error: cannot write the map")
        assert last.endswith("it is read-only; --map-read-only only searches it")
        assert campus.read_bytes() == content
        assert {entry.name for entry in campus.parent.iterdir()} == {"campus.vpr"}


class TestCommands:
    def test_info(self, run: Make, cli: Make, flight: Any, campus: Path) -> None:
        run(flight.path, "--map", campus, "--session", "monday")
        (found,) = cli("map", "info", campus, "--json").lines
        assert (found["places"], found["model"]) == (flight.frames, "tiny")
        assert "monday: 60 places" in cli("map", "info", campus).out.decode()

    def test_verify(self, run: Make, cli: Make, flight: Any, campus: Path) -> None:
        run(flight.path, "--map", campus)
        assert cli("map", "verify", campus).lines == [
            {"places": flight.frames, "faults": [], "whole": True}
        ]
        content = bytearray(campus.read_bytes())
        content[100_000:200_000] = bytes(100_000)
        campus.write_bytes(content)
        done = cli("map", "verify", campus)
        assert done.code == 5
        assert "is damaged" in done.error

    def test_merge_prune_and_export(
        self, run: Make, cli: Make, flight: Any, campus: Path, tmp_path: Path
    ) -> None:
        run(flight.path, "--map", campus, "--session", "monday")
        merged = tmp_path / "merged.vpr"
        (found,) = cli("map", "merge", merged, campus).lines
        assert found["places"] == flight.frames
        (found,) = cli("map", "prune", merged, "--share", 0.5, "--measure").lines
        assert found["places"] == flight.frames // 2
        (found,) = cli("map", "export", merged, tmp_path / "places.npz").lines
        assert found["places"] == flight.frames // 2

    @pytest.mark.parametrize("there", [True, False])
    def test_rebuild(
        self,
        run: Make,
        cli: Make,
        make_model: Make,
        make_flight: Make,
        campus: Path,
        tmp_path: Path,
        there: bool,
    ) -> None:
        """From the video, or what is left of it in the map."""
        video = tmp_path / "gone.mp4"
        shutil.copy(make_flight(3, frames=40).path, video)
        run(video, "--map", campus, "--session", "monday")
        if not there:
            video.rename(tmp_path / "elsewhere.mp4")
            video = tmp_path / "elsewhere.mp4"
        other = make_model(always=0.5)
        new = tmp_path / "new.vpr"
        (found,) = cli("map", "rebuild", campus, new, "--model", other).lines
        sources, thumbnails = (40, 0) if there else (0, 40)
        assert found == {"from_sources": sources, "from_thumbnails": thumbnails, "lost": 0}
        assert check_map(new).as_json() == {"places": 40, "faults": [], "whole": True}
        options = ["--model", other, "--fps", 0, "--threads", 1]
        direct = tmp_path / "direct.vpr"
        cli("run", video, *options, "--map", direct, "--session", "monday")
        asked = ["--map-read-only", "--records", "queries"]
        known = cli("run", video, *options, "--map", direct, *asked).lines
        found = cli("run", video, *options, "--map", new, *asked).lines
        assert [line["match_idx"] for line in found] == list(range(40))
        if there:
            same = [{**line, "match_stream": "gone"} for line in known]
            assert [{**line, "match_stream": "gone"} for line in found] == same
        assert sum(line["decision"] == "accepted" for line in found) >= 36
        assert cli("map", "rebuild", campus, new, "--model", other).code == 2


class TestEndings:
    def test_ctrl_c_ends_the_session(
        self, command: list[str], tiny_model: Path, make_flight: Make, campus: Path
    ) -> None:
        video = make_flight(4, frames=60).path
        line = [*command, "run", *[f"s{n}={video}" for n in range(40)], "--map", str(campus)]
        line += ["--model", str(tiny_model), "--fps", "0", "--records", "queries"]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            printed = 1 + len(process.communicate(timeout=30)[0].splitlines())
        assert process.returncode == 0
        assert {entry.name for entry in campus.parent.iterdir()} == {"campus.vpr"}
        assert check_map(campus).as_json() == {"places": printed, "faults": [], "whole": True}

    def test_a_closed_pipe_ends_it_too(self, tiny_model: Path, flight: Any, campus: Path) -> None:
        line = (
            f"'{sys.executable}' -m streamvpr run '{flight.path}' --map '{campus}' --fps 0"
            f" --model '{tiny_model}' --records queries | head -n 3"
        )
        done = subprocess.run(line, shell=True, check=True, capture_output=True, timeout=30)
        assert len(done.stdout.splitlines()) == 3
        assert check_map(campus).faults == []
