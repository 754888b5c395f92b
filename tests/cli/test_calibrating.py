"""`streamvpr calibrate`: thresholds of a model from one's own recording."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import pytest

from streamvpr.embedding.catalog import bundled_folder

if TYPE_CHECKING:
    from collections.abc import Callable

Cli = Any


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model whose card may be written to, and has a table of its own."""
    path = tmp_path / "models" / "mine.onnx"
    path.parent.mkdir()
    shutil.copy(tiny_model, path)
    card = tiny_model.with_suffix(".toml").read_text(encoding="utf-8")
    path.with_suffix(".toml").write_text(card + '[lab]\nwho = "me"\n', encoding="utf-8")
    return path


@pytest.fixture
def calibrate(cli: Cli, model: Path) -> Callable[..., Any]:
    def with_model(*arguments: object) -> Any:
        return cli("calibrate", *arguments, "--model", model, "--threads", 1)

    return with_model


@pytest.fixture(scope="session")
def tour(make_flight: Callable[..., Any]) -> Path:
    """120 frames: a lap of 100, and 20 of its places again."""
    path: Path = make_flight(3, frames=120, lap=100).path
    return path


def test_one_line_says_both_thresholds_and_what_they_are_from(
    calibrate: Callable[..., Any], tour: Path
) -> None:
    done = calibrate(tour, "--fps", 0)
    assert done.code == 0
    (found,) = done.lines
    assert found["model"] == "tiny"
    assert found["sources"] == [str(tour)]
    assert (found["frames"], found["stationary"], found["views"]) == (120, 0, 120)
    assert found["pairs"] == 89 * 90 // 2
    assert found["near_pairs"] == 119
    assert -1 <= found["value"] <= found["without_geometry"] <= 1
    assert found["median_far"] < found["median_near"]
    assert found["value"] < found["median_near"]
    assert found["method"]["places"] == 1000
    assert calibrate(tour, "--fps", 0, "--batch-size", 3).lines == [found]


def test_a_folder_of_images_and_two_recordings_count_their_own_pairs(
    calibrate: Callable[..., Any], pan: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(pan(5, 70, 60)):
        cv2.imwrite(str(folder / f"{index}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    once = calibrate(folder, "--exclude-recent", 20).lines[0]
    twice = calibrate(folder, folder, "--exclude-recent", 20).lines[0]
    assert once["pairs"] == 49 * 50 // 2
    assert twice["pairs"] == 2 * once["pairs"]
    assert twice["value"] == once["value"]


def test_written_thresholds_are_those_of_the_next_run(
    calibrate: Callable[..., Any], cli: Cli, model: Path, tour: Path, tmp_path: Path
) -> None:
    done = calibrate(tour, "--fps", 0, "--write")
    assert done.code == 0
    (found,) = done.lines
    card = tomllib.loads(model.with_suffix(".toml").read_text(encoding="utf-8"))
    assert card["threshold"]["value"] == round(found["value"], 4)
    assert card["threshold"]["without_geometry"] == round(found["without_geometry"], 4)
    assert f"{found['pairs']} pairs" in card["threshold"]["calibrated"]
    assert card["lab"] == {"who": "me"}
    for key, options in {"value": [], "without_geometry": ["--no-verify-geom"]}.items():
        out = tmp_path / key
        assert cli("run", tour, "--model", model, "--output-dir", out, *options).code == 0
        used = tomllib.loads((out / "run.toml").read_text(encoding="utf-8"))
        assert used["sim-threshold"] == card["threshold"][key]


def test_without_write_the_card_stays(
    calibrate: Callable[..., Any], model: Path, tour: Path
) -> None:
    before = model.with_suffix(".toml").read_bytes()
    assert calibrate(tour, "--fps", 0).code == 0
    assert model.with_suffix(".toml").read_bytes() == before


def test_the_bundled_card_is_refused_before_anything_is_read(cli: Cli, tmp_path: Path) -> None:
    before = (bundled_folder() / "efficientnet-lite0-gem.toml").read_bytes()
    done = cli("calibrate", tmp_path / "no-such.mp4", "--write")
    assert done.code == 2
    assert "ships with the program" in done.error
    assert "--sim-threshold" in done.error
    assert (bundled_folder() / "efficientnet-lite0-gem.toml").read_bytes() == before


def test_a_plot_is_a_picture(calibrate: Callable[..., Any], tour: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.png"
    assert calibrate(tour, "--fps", 0, "--plot", plot).code == 0
    picture = cv2.imread(str(plot))
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert picture is not None
    assert picture.std() > 10


def test_a_plot_that_cannot_be_written_comes_after_the_numbers(
    calibrate: Callable[..., Any], tour: Path, tmp_path: Path
) -> None:
    done = calibrate(tour, "--fps", 0, "--plot", tmp_path / "nowhere" / "plot.png")
    assert done.code == 5
    assert "cannot write the plot" in done.error
    assert len(done.lines) == 1


def test_too_short_a_recording_is_said_with_what_is_needed(
    calibrate: Callable[..., Any], tour: Path
) -> None:
    done = calibrate(tour)
    assert (done.code, done.out) == (2, b"")
    assert "24 frames, of which 24 show a new view, and calibrating needs 60" in done.error
    assert "--fps 0" in done.error


def test_too_few_pairs_are_said_with_what_is_needed(
    calibrate: Callable[..., Any], tour: Path
) -> None:
    done = calibrate(tour, "--fps", 0, "--exclude-recent", 110)
    assert (done.code, done.out) == (2, b"")
    assert "45 pairs of 120 views" in done.error
    assert "calibrating needs 100" in done.error


def test_a_camera_that_stands_still_is_refused_with_the_reason(
    calibrate: Callable[..., Any],
    make_video: Callable[..., Path],
    texture: Callable[..., Any],
    view: Callable[..., Any],
    noisy: Callable[..., Any],
    tmp_path: Path,
) -> None:
    scene = view(texture(1))
    video = make_video(tmp_path / "still.mp4", [noisy(scene, i) for i in range(80)])
    done = calibrate(video, "--fps", 0)
    assert (done.code, done.out) == (2, b"")
    assert "only 1 of 80 frames show a new view" in done.error
    assert "the camera stands still" in done.error


def test_a_live_source_is_refused_with_what_to_do(calibrate: Callable[..., Any]) -> None:
    done = calibrate("rtsp://user:secret@camera.invalid/stream")
    assert (done.code, done.out) == (2, b"")
    assert "record some minutes first" in done.error
    assert "secret" not in done.err


def test_no_source_and_no_such_file(calibrate: Callable[..., Any], tmp_path: Path) -> None:
    assert calibrate().code == 2
    assert calibrate(tmp_path / "none.mp4").code == 4


def test_a_reader_that_has_gone_is_no_error(command: list[str], model: Path, tour: Path) -> None:
    line = [*command, "calibrate", str(tour), "--fps", "0", "--model", str(model), "--quiet"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, timeout=40, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("frames", "code"), [(90, 0), (30, 2)])
def test_an_interrupt_proposes_from_what_was_read(
    command: list[str], model: Path, make_flight: Callable[..., Any], frames: int, code: int
) -> None:
    """A feed that goes silent, and Ctrl-C: the same as if it had ended there."""
    video = make_flight(7, frames=frames, lap=100, name=f"feed{frames}").path
    line = [*command, "calibrate", "-", "--fps", "0", "--model", str(model)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(line, **pipes) as program:
        try:
            assert program.stdin is not None
            program.stdin.write(as_stream(video))
            program.stdin.flush()
            wait_until_idle(program.pid)
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=20)
        finally:
            program.kill()
    assert program.returncode == code, err
    assert b"Traceback" not in err
    assert len(out.splitlines()) == (code == 0)


def as_stream(video: Path) -> bytes:
    """The same pictures in a container that needs no end."""
    target = io.BytesIO()
    with av.open(str(video)) as source, av.open(target, "w", format="mpegts") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return target.getvalue()


def wait_until_idle(pid: int) -> None:
    """Until a process has used no processor time for a while after it began."""
    used, still = -1.0, 0
    while still < 10:
        time.sleep(0.1)
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        now = float(fields[11]) + float(fields[12])
        still = still + 1 if now == used and now > 30 else 0
        used = now
