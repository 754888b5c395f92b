"""`streamvpr bench`: where the time of a frame goes, as a table and as JSON."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

LONGEST_LINE = 120
STAGES = ["decode", "convert", "embed", "features", "search", "verify", "emit", "rest"]


@pytest.fixture
def bench(cli: Make, tiny_model: Path) -> Make:
    """`streamvpr bench` with the tiny model."""

    def with_model(*arguments: object) -> Any:
        return cli("bench", *arguments, "--model", tiny_model, "--threads", 1)

    return with_model


@pytest.fixture
def measured(bench: Make) -> Make:
    """What it says as JSON."""

    def run(*arguments: object) -> dict[str, Any]:
        done = bench(*arguments, "--json")
        assert done.code == 0, done.err
        (line,) = done.lines
        return dict(line)

    return run


@pytest.fixture
def street(make_video: Make, view: Make, texture: Make, noisy: Make, tmp_path: Path) -> Path:
    """A camera that stands still, but for the first two views."""
    scenes = [view(texture(seed), 0, 0) for seed in (1, 2, *[3] * 10)]
    frames = (noisy(scene, index) for index, scene in enumerate(scenes))
    return make_video(tmp_path / "street.mp4", frames)


@pytest.fixture(scope="module")
def report(command: list[str], tiny_model: Path, flight: Any) -> dict[str, Any]:
    """Two turns on the flight, measured once for all that look at it."""
    line = [*command, "bench", flight.path, "--model", tiny_model, "--threads", "1", "--json"]
    line += ["--repeats", "2", "--top-k", "2", "--batch-size", "4"]
    done = subprocess.run(line, capture_output=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


class TestMeasuring:
    def test_json_for_machines(self, report: dict[str, Any], flight: Any) -> None:
        found = report
        assert (found["type"], found["turns"], found["frames"]) == ("bench", 2, flight.frames)
        assert (found["still"], found["places"]) == (0, flight.frames)
        assert found["closures"] == flight.frames - flight.lap
        assert found["model"]["name"] == "tiny"
        assert (found["model"]["device"], found["model"]["threads"]) == ("cpu", 1)
        assert found["options"]["top-k"] == 2
        (source,) = found["sources"]
        assert (source["path"], source["codec"]) == (str(flight.path), "h264")
        assert (source["width"], source["height"]) == (160, 120)
        assert {"numpy", "av"} <= set(found["machine"]["packages"])
        assert found["machine"]["processor"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", found["date"])

    def test_where_the_time_goes(self, report: dict[str, Any], flight: Any) -> None:
        stages, figures = report["stages"], report["figures"]
        assert list(stages) == STAGES
        for share in ("wall_share", "cpu_share"):
            assert sum(stage[share] for stage in stages.values()) == pytest.approx(1, abs=1e-3)
        assert {stages[name]["frames"] for name in STAGES if name != "verify"} == {flight.frames}
        # The first frames have no past that may match.
        assert 0 < stages["verify"]["frames"] < flight.frames
        for name in STAGES[:-1]:
            for clock in ("wall", "cpu"):
                usual, tail = (figures[f"stage.{name}.{clock}_{key}"] for key in ("ms", "p95_ms"))
                assert len(usual["values"]) == 2
                assert 0 < usual["median"] <= tail["median"]
        names = ["decode", "convert", "embed", "features", "search and verify", "emit"]
        assert list(report["busy"]) == names
        assert all(0 <= share <= 1.01 for share in report["busy"].values())

    def test_what_it_is_held_against(self, report: dict[str, Any]) -> None:
        found, figures = report, report["figures"]
        assert found["best_batch"] in (1, 4)
        for name in ("run", "bare_1", "bare_4", "decoding"):
            rate, cpu = (figures[f"{name}.{key}"] for key in ("frames_per_second", "cpu_ms"))
            assert (rate["better"], cpu["better"]) == ("higher", "lower")
            assert min(rate["values"] + cpu["values"]) > 0
        assert figures["places.read_ms"]["median"] < figures["places.read_full_ms"]["median"]
        bare = figures[f"bare_{found['best_batch']}.frames_per_second"]["values"]
        ratios = [
            mine / floor
            for mine, floor in zip(figures["run.frames_per_second"]["values"], bare, strict=True)
        ]
        assert figures["ratio.frames_per_second"]["values"] == pytest.approx(ratios, rel=1e-3)
        assert figures["ratio.frames_per_second"]["median"] < 1
        assert figures["ratio.cpu"]["median"] > 1
        assert figures["ratio_embedded.cpu"] == figures["ratio.cpu"]

    def test_frames_that_are_still_flatter_nothing(self, measured: Make, street: Path) -> None:
        found = measured(street, "--repeats", 1)
        assert (found["frames"], found["still"], found["places"]) == (12, 9, 3)
        assert found["stages"]["embed"]["frames"] == 3
        figures = found["figures"]
        for name in ("run.frames_per_second", "ratio.frames_per_second"):
            all_frames, embedded = (figures[key] for key in (name, name.replace(".", "_embedded.")))
            assert all_frames["median"] == pytest.approx(4 * embedded["median"], rel=1e-3)
        for name in ("run.cpu_ms", "ratio.cpu"):
            all_frames, embedded = (figures[key] for key in (name, name.replace(".", "_embedded.")))
            assert embedded["median"] == pytest.approx(4 * all_frames["median"], rel=1e-3)

    def test_every_frame_unless_told_and_no_more_than_asked_for(
        self, measured: Make, flight: Any
    ) -> None:
        quick = (flight.path, "--repeats", 1, "--no-verify-geom")
        assert measured(*quick, "--frames", 20)["frames"] == 20
        # 60 frames at 10 a second.
        assert measured(*quick, "--frames", 0, "--fps", 2)["frames"] == 12

    def test_folders_and_several_sources(
        self, measured: Make, flight: Any, pan: Make, tmp_path: Path
    ) -> None:
        folder = tmp_path / "shots"
        folder.mkdir()
        for index, picture in enumerate(pan(0, 8, 6)):
            assert cv2.imwrite(str(folder / f"{index}.png"), picture[..., ::-1])
        line = (folder, flight.path, "--repeats", 1, "--frames", 10, "--exclude-recent", 2)
        found = measured(*line)
        assert (found["frames"], found["places"]) == (18, 18)
        assert [source["codec"] for source in found["sources"]] == ["png", "h264"]
        assert found["stages"]["decode"]["frames"] == 18

    def test_a_table_for_people(self, bench: Make, street: Path) -> None:
        done = bench(street, "--repeats", 2)
        assert done.code == 0
        text = done.out.decode()
        assert f"street: {street}, h264 160x120\n12 frames, still: 9, 0 loop closures" in text
        rows = re.findall(r"^(\w+) .*\d%  .*\d%$", text, re.M)
        assert rows == [name for name in STAGES if name != "verify"]
        assert "bare session, one by one" in text
        ratio = r" +\d\S* +\(\S+ to \S+\)"
        for name in ("run", "run, a frame that is not still"):
            assert re.search(rf"^{name}{ratio}{ratio}$", text.partition("As shares of")[2], re.M)
        assert "one read of 3 places" in text
        # The second line names the machine, which may call itself what it likes.
        lines = text.splitlines()
        assert max(map(len, lines[:1] + lines[2:])) <= LONGEST_LINE
        assert [line for line in done.err.splitlines() if "turn" in line] == [
            "streamvpr: turn 1 of 2",
            "streamvpr: turn 2 of 2",
        ]

    def test_a_flight_is_made_where_there_is_no_source(self, measured: Make) -> None:
        found = measured("--repeats", 1, "--frames", 8)
        assert found["frames"] == 8
        (source,) = found["sources"]
        assert (source["stream"], source["path"]) == ("flight", None)
        assert (source["width"], source["height"]) == (640, 480)


class TestSettings:
    def test_the_settings_of_a_run_leave_its_results_alone(
        self, cli: Make, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        out = tmp_path / "results"
        assert run(flight.path, "--output-dir", out).code == 0
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        line = ("--repeats", 1, "--config", out / "run.toml", "--json")
        (found,) = cli("bench", flight.path, *line).lines
        assert found["options"]["top-k"] == 2
        assert found["options"]["output-dir"] == str(out)
        assert found["closures"] == len(json.loads(before[out / "loop_closures.json"]))
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    def test_sources_of_the_file(self, bench: Make, flight: Any, tmp_path: Path) -> None:
        config = tmp_path / "a.toml"
        config.write_text(f'sources = ["door={flight.path}"]\n')
        (found,) = bench("--config", config, "--repeats", 1, "--frames", 5, "--json").lines
        assert [source["stream"] for source in found["sources"]] == ["door"]


class TestAgainst:
    def test_two_reports(self, bench: Make, flight: Any, tmp_path: Path) -> None:
        line = (flight.path, "--repeats", 2, "--frames", 20, "--exclude-recent", 2)
        before = tmp_path / "before.json"
        before.write_bytes(bench(*line, "--json").out)
        quicker = (*line, "--no-verify-geom", "--against", before)
        (found,) = bench(*quicker, "--json").lines
        against = found["against"]
        assert against["date"] == json.loads(before.read_bytes())["date"]
        assert against["others"] == ["another --verify-geom: True; now False"]
        assert "stage.verify.cpu_ms" not in against["figures"]
        run = against["figures"]["run.cpu_ms"]
        assert run["ratio"] == pytest.approx(run["now"] / run["before"], rel=1e-2)
        assert run["ratio"] < 1
        text = bench(*quicker).out.decode()
        assert re.search(r"^run\.cpu_ms +[\d.]+ +[\d.]+ +0\.\d\d  \w.* the spread$", text, re.M)
        assert "run_embedded" not in text

    @pytest.mark.parametrize("content", [None, "no JSON", '{"type":"query"}', "\xff"])
    def test_what_is_no_report_is_said_before_anything_is_measured(
        self, bench: Make, flight: Any, tmp_path: Path, content: str | None
    ) -> None:
        before = tmp_path / "before.json"
        if content is not None:
            before.write_text(content, encoding="latin-1")
        done = bench(flight.path, "--against", before)
        assert (done.code, done.out) == (5, b"")
        assert str(before) in done.error
        assert len(done.err.splitlines()) == 1


class TestFailing:
    @pytest.mark.parametrize("source", ["rtsp://user:secret@127.0.0.1:9/door", "udp://127.0.0.1:9"])
    def test_what_is_live_can_not_be_read_twice(self, bench: Make, source: str) -> None:
        done = bench(source)
        assert (done.code, done.out) == (2, b"")
        assert "live" in done.error
        assert "ffmpeg" in done.error
        assert "secret" not in done.err

    def test_nor_can_standard_input(self, process: Make, flight: Any) -> None:
        with flight.path.open("rb") as stdin:
            done = process("bench", "-", stdin=stdin)
        assert (done.code, done.out) == (2, b"")
        assert "again and again" in done.error

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["none.mp4"], 4, "none.mp4"),
            (["--repeats", "0"], 2, "--repeats"),
            (["--frames", "-1"], 2, "--frames"),
            (["--device", "abacus"], 2, "abacus"),
        ],
    )
    def test_bad_command_lines(
        self, bench: Make, arguments: list[str], code: int, said: str
    ) -> None:
        done = bench(*arguments)
        assert (done.code, done.out) == (code, b"")
        assert said in done.error

    def test_a_part_without_frames(self, bench: Make, flight: Any) -> None:
        done = bench(flight.path, "--start", 3600)
        assert (done.code, done.out) == (2, b"")
        assert "--start" in done.error

    def test_a_model_that_is_not_there(self, process: Make, flight: Any) -> None:
        done = process("bench", flight.path, "--model", "no-such-model")
        assert (done.code, done.out) == (3, b"")
        assert "no-such-model" in done.error


class TestInterrupting:
    @pytest.fixture
    def interrupted(self, command: list[str], tiny_model: Path, flight: Any) -> Make:
        """Interrupt a bench when it has said that; its exit code and output."""

        def start(when: str) -> tuple[int, bytes]:
            line = [*command, "bench", str(flight.path), "--model", str(tiny_model), "--json"]
            line += ["--repeats", "500", "--top-k", "1"]
            pipe = subprocess.PIPE
            with subprocess.Popen(line, stdout=pipe, stderr=pipe, text=False) as running:
                assert running.stderr is not None
                while when.encode() not in running.stderr.readline():
                    assert running.poll() is None
                running.send_signal(signal.SIGINT)
                out, err = running.communicate(timeout=30)
            assert b"Traceback" not in err
            return running.returncode, out

        return start

    def test_the_turns_that_are_finished_count(self, interrupted: Make) -> None:
        code, out = interrupted("turn 3 of 500")
        assert code == 0
        found = json.loads(out)
        assert found["turns"] == 2
        assert len(found["figures"]["run.cpu_ms"]["values"]) == 2

    def test_before_the_first_one_there_is_nothing_to_say(self, interrupted: Make) -> None:
        assert interrupted("turn 1 of 500") == (130, b"")
