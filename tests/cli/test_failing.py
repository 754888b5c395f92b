"""Exit codes, the one error line, signals, closed pipes and full disks."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Any]

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


class TestModels:
    @pytest.mark.parametrize(
        ("model", "named"),
        [("nothing-of-this-name", "nothing-of-this-name"), ("no/such.onnx", "no/such.onnx")],
    )
    def test_a_model_that_is_not_there(
        self, cli: Make, flight: Any, model: str, named: str
    ) -> None:
        result = cli("run", flight.path, "--model", model)
        assert (result.code, result.out) == (3, b"")
        assert named in result.error

    def test_a_model_without_a_card(self, cli: Make, flight: Any, tmp_path: Path) -> None:
        (tmp_path / "a.onnx").write_bytes(b"no model")
        result = cli("run", flight.path, "--model", tmp_path / "a.onnx")
        assert result.code == 3
        assert "no card" in result.error

    def test_a_model_that_is_none(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "a.onnx").write_bytes(b"no model")
        (tmp_path / "a.toml").write_text(tiny_model.with_suffix(".toml").read_text())
        result = cli("run", flight.path, "--model", tmp_path / "a.onnx")
        assert result.code == 3
        assert str(tmp_path / "a.onnx") in result.error

    def test_a_card_that_lies_about_the_model(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "a.onnx").write_bytes(tiny_model.read_bytes())
        card = tiny_model.with_suffix(".toml").read_text()
        for change, named in [
            (("dimension = 193", "dimension = 7"), "(1, 7)"),
            (("height = 32", "height = 48"), "48"),
        ]:
            (tmp_path / "a.toml").write_text(card.replace(*change))
            result = cli("run", flight.path, "--model", tmp_path / "a.onnx")
            assert result.code == 3
            assert named in result.error

    def test_a_device_that_is_not_here(self, run: Make, flight: Any) -> None:
        result = run(flight.path, "--device", "tensorrt")
        assert result.code == 3
        assert "tensorrt" in result.error

    def test_a_decoder_that_is_not_here(self, run: Make, flight: Any) -> None:
        result = run(flight.path, "--hwaccel", "abacus")
        assert (result.code, result.out) == (3, b"")
        assert "--hwaccel abacus" in result.error


class TestSources:
    @pytest.mark.parametrize("content", [None, b"", b"no video" * 99], ids=["no", "empty", "junk"])
    def test_what_cannot_be_opened(self, run: Make, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "a.mp4"
        if content is not None:
            path.write_bytes(content)
        result = run(path)
        assert (result.code, result.out) == (4, b"")
        assert str(path) in result.error

    def test_a_folder_without_images(self, run: Make, tmp_path: Path) -> None:
        result = run(tmp_path)
        assert result.code == 4
        assert str(tmp_path) in result.error

    def test_a_folder_of_images_that_cannot_be_read(self, run: Make, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(b"no image")
        result = run(tmp_path)
        assert (result.code, result.out) == (4, b"")
        assert "none of the 1 images" in result.error

    @pytest.mark.logs_errors
    def test_one_of_two_is_enough(self, quick: Make, flight: Any, tmp_path: Path) -> None:
        result = quick(tmp_path / "missing.mp4", flight.path)
        assert result.code == 0
        assert len(result.lines) == 12
        assert "missing.mp4" in result.err

    def test_a_video_that_is_cut_off_is_no_error(
        self, quick: Make, make_flight: Make, tmp_path: Path, make_video: Make, pan: Make
    ) -> None:
        path = make_video(tmp_path / "a.mkv", pan(0, 80, 48))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 3 // 4])
        result = quick(path, "--records", "queries")
        assert result.code == 0
        assert 40 < len(result.lines) < 80
        assert "cut off" in result.err

    @pytest.mark.parametrize("scheme", ["rtsp", "http", "rtsps"])
    def test_a_password_is_never_printed(self, run: Make, scheme: str) -> None:
        url = f"{scheme}://user:secret@127.0.0.1:1/live"
        result = run(url, "--reconnect-for", 0, "--records", "all", "--log-level", "debug")
        assert result.code == 4
        assert result.error
        assert "secret" not in result.err + result.out.decode()

    def test_nor_where_the_command_was_forgotten(self, cli: Make) -> None:
        result = cli("rtsp://user:secret@127.0.0.1:1/live")
        assert result.code == 2
        assert "rtsp://user:***@127.0.0.1" in result.error
        assert "secret" not in result.err

    def test_nor_that_of_a_named_source(self, run: Make) -> None:
        result = run("front=rtsp://user:secret@127.0.0.1:1/live", "--reconnect-for", 0)
        assert result.code == 4
        assert "secret" not in result.err
        assert "rtsp://user:***@127.0.0.1:1/live" in result.error


class TestOutputs:
    def test_a_file_where_the_folder_should_be(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "out").touch()
        result = run(flight.path, "--output-dir", tmp_path / "out")
        assert (result.code, result.out) == (5, b"")
        assert str(tmp_path / "out") in result.error

    @pytest.mark.parametrize(
        "name", ["loop_closures.json", "run.toml", "queries.jsonl", "similarity_matrix.png"]
    )
    def test_a_folder_where_a_file_should_be(
        self, run: Make, flight: Any, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).mkdir()
        result = run(flight.path, "--output-dir", tmp_path)
        assert (result.code, result.out) == (5, b"")
        assert name in result.error

    def test_a_plot_that_cannot_be_written_loses_nothing_else(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "similarity_plot.png").mkdir()
        result = run(flight.path, "--output-dir", tmp_path)
        assert result.code == 5
        assert "similarity_plot.png" in result.error
        assert json.loads((tmp_path / "loop_closures.json").read_text()) == result.lines
        assert len(result.lines) == 12

    @needs_dev_full
    def test_standard_output_on_a_full_disk(
        self, process: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        with Path("/dev/full").open("wb") as full:
            result = process(
                *("run", flight.path, "--model", tiny_model, "--fps", 0, "--top-k", 1),
                *("--output-dir", tmp_path),
                stdout=full,
            )
        assert result.code == 5
        assert "standard output" in result.error
        assert "No space left" in result.error
        assert len(json.loads((tmp_path / "loop_closures.json").read_text())) >= 1

    @pytest.mark.parametrize("arguments", ["models --json", "eval {0} --ground-truth {0}"])
    @needs_dev_full
    def test_other_commands_on_a_full_disk(
        self, process: Make, tmp_path: Path, arguments: str
    ) -> None:
        (tmp_path / "empty").touch()
        with Path("/dev/full").open("wb") as full:
            result = process(*arguments.format(tmp_path / "empty").split(), stdout=full)
        assert result.code == 5
        assert result.error

    def test_a_disk_that_fills_up(
        self, process: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        """No file may grow beyond what a lap of records and a few closures take."""

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

        result = process(
            *("run", flight.path, "--model", tiny_model, "--fps", 0, "--top-k", 1),
            *("--output-dir", tmp_path),
            preexec_fn=limit,
        )
        assert result.code == 5
        assert str(tmp_path) in result.error
        closures = json.loads((tmp_path / "loop_closures.json").read_text())
        assert closures == result.lines[: len(closures)]
        assert len(result.lines) >= 1
        queries = (tmp_path / "queries.jsonl").read_bytes()
        assert queries.endswith(b"\n")
        assert {json.loads(line)["type"] for line in queries.splitlines()} == {"query"}

    def test_a_reader_that_leaves_ends_the_run_quietly(
        self, command: list[str], make_flight: Make, tiny_model: Path
    ) -> None:
        path = make_flight(0, frames=300).path
        arguments = ["--model", str(tiny_model), "--fps", "0", "--no-verify-geom", "--quiet"]
        with subprocess.Popen(
            [*command, "run", str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert json.loads(process.stdout.readline())["type"] == "loop_closure"
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(20) == 0

    def test_a_reader_that_was_never_there(self, process: Make, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        reading, writing = os.pipe()
        os.close(reading)
        result = process(
            "eval", tmp_path / "empty", "--ground-truth", tmp_path / "empty", stdout=writing
        )
        os.close(writing)
        assert (result.code, result.err) == (0, "")

    def test_records_without_a_standard_output(
        self, command: list[str], flight: Any, tiny_model: Path
    ) -> None:
        line = [*command, "run", str(flight.path), "--model", str(tiny_model)]
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *line],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 5)


class TestSignals:
    @pytest.fixture
    def long_run(
        self, command: list[str], make_flight: Make, tiny_model: Path, tmp_path: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A run that is under way, with outputs, and far from its end."""
        path = make_flight(0, frames=900).path
        arguments = ["--model", str(tiny_model), "--fps", "0", "--records", "queries"]
        with subprocess.Popen(
            [*command, "run", str(path), *arguments, "--output-dir", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 20)[0]
            yield process
            process.kill()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_drains_and_ends_with_0(
        self, long_run: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
    ) -> None:
        long_run.send_signal(number)
        out, err = long_run.communicate(timeout=20)
        assert long_run.returncode == 0
        assert b"Traceback" not in err
        indices = [json.loads(line)["query_idx"] for line in out.splitlines()]
        assert indices == list(range(len(indices)))
        assert 0 < len(indices) < 900
        json.loads((tmp_path / "loop_closures.json").read_text())
        assert (tmp_path / "similarity_plot.png").is_file()

    def test_a_run_that_is_killed_leaves_what_can_be_read(
        self, long_run: subprocess.Popen[bytes], tmp_path: Path
    ) -> None:
        # Standard output gets each line first: a kill between the two leaves the file without it.
        file = tmp_path / "queries.jsonl"
        deadline = time.monotonic() + 20
        while not file.stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        long_run.kill()
        out, _ = long_run.communicate(timeout=20)
        queries = file.read_bytes()
        assert queries.endswith(b"\n")
        assert queries.startswith(out) or out.startswith(queries)
        assert json.loads((tmp_path / "loop_closures.json").read_text()) == []
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert (summary["command"], summary["ended"]) == ("run", None)

    def test_the_second_interrupt_ends_with_130_soon(
        self, long_run: subprocess.Popen[bytes], tmp_path: Path
    ) -> None:
        long_run.send_signal(signal.SIGINT)
        time.sleep(0.1)
        long_run.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = long_run.communicate(timeout=20)
        assert time.monotonic() - began < 5
        assert long_run.returncode == 130
        assert b"Traceback" not in err
        for line in out.splitlines():
            json.loads(line)
        json.loads((tmp_path / "loop_closures.json").read_text())

    def test_an_interrupt_outside_of_a_run_is_no_traceback(
        self, cli: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("streamvpr.evaluation.read_queries", interrupted)
        (tmp_path / "empty").touch()
        result = cli("eval", tmp_path / "empty", "--ground-truth", tmp_path / "empty")
        assert (result.code, result.out) == (130, b"")


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is not None,
    reason="torch is here",
)
@pytest.mark.parametrize("retriever", ["global", "hbst"])
def test_more_places_than_there_is_memory_for(
    flight: Any, tiny_model: Path, retriever: str
) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30));"
        "from streamvpr.cli import main; main()"
    )
    line = [sys.executable, "-c", program, "run", str(flight.path), "--model", str(tiny_model)]
    line += ["--retriever", retriever, "--capacity", "10000000", "--threads", "1"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("streamvpr: error: --capacity 10000000: no memory for so many places")


def test_exporting_without_torch_says_what_to_install(cli: Make) -> None:
    result = cli("export", "resnet50-gem")
    assert result.code == 2
    assert "torch" in result.error
    assert "pip install 'streamvpr[export,cpu]'" in result.error
    assert result.out == b""
