"""The commands of the quick starts, pasted into a shell one after the other."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import cv2
import pages
import pytest

from streamvpr import demo
from streamvpr.config import RunOptions
from streamvpr.media import encode_video

if TYPE_CHECKING:
    from pathlib import Path

DRONE = pages.read("docs/quickstart-drone.md")
SIZE = (320, 240)
METRES = 0.1
"""What a pixel of the ground is to be."""


def subtitles() -> str:
    """Where the demo's aircraft is at each second, as DJI writes it."""
    cues = []
    for second in range(int(demo.FLIGHT_SECONDS)):
        laps = second / demo.LAP_SECONDS
        radius = (demo.RADIUS + demo.SIDE_STEP * math.floor(laps)) * METRES
        east, south = (f(math.tau * laps) * radius for f in (math.cos, math.sin))
        latitude = 47.3769 - south / 111_195
        longitude = 8.5417 + east / (111_195 * math.cos(math.radians(47.3769)))
        cues.append(
            f"{second + 1}\n00:00:{second:02d},000 --> 00:00:{second + 1:02d},000\n"
            f"[latitude: {latitude:.6f}] [longitude: {longitude:.6f}] [rel_alt: 60.0]\n"
        )
    return "\n".join(cues)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the user of the page has: a drone's files, and the program on the path."""
    made = tmp_path_factory.mktemp("drone")
    frames = [cv2.resize(f, SIZE, interpolation=cv2.INTER_AREA) for f in demo.flight()]
    encode_video(made / "DJI_0001.MP4", frames, fps=demo.FPS)
    (made / "DJI_0001.SRT").write_text(subtitles())
    for name in ("DJI_0002.MP4", "may.mp4", "june.mp4"):
        encode_video(made / name, frames[:30], fps=demo.FPS)
    (made / "bin").mkdir()
    program = made / "bin" / "streamvpr"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m streamvpr "$@"\n')
    program.chmod(0o755)
    return made


def paste(folder: Path, heading: str) -> list[str]:
    """Standard output of each command below a heading."""
    said = []
    for command in pages.commands(pages.section(DRONE, heading)):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(folder),
                "PYTHONPATH": str(pages.ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        said.append(done.stdout)
    assert said, heading
    return said


def test_the_drones_quick_start_ends_in_pictures_and_scores(folder: Path) -> None:
    paste(folder, "Find the loops")
    listed, page, counted = paste(folder, "Look")
    assert (folder / page.strip()).read_text().startswith("<!DOCTYPE html>")
    pictures = [folder / "results/matches" / name for name in listed.split()]
    assert len(pictures) >= 5
    assert all(cv2.imread(str(picture)) is not None for picture in pictures)
    assert '"decision":"accepted"' in counted
    (scores,) = paste(folder, "Was it right?")
    assert json.loads(scores)["precision"] == 1.0
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_drones_several_files_and_days(folder: Path) -> None:
    _, _, june = paste(folder, "Several files, several days")
    found = [json.loads(line) for line in june.splitlines()]
    assert {closure["match_session"] for closure in found} == {"may"}
    assert found[0]["query_idx"] == 0


def test_the_cameras_settings_are_settings() -> None:
    (text,) = pages.blocks(pages.read("docs/quickstart-camera.md"), "toml")
    settings = tomllib.loads(text)
    assert settings.pop("sources")
    assert set(settings) <= set(RunOptions.__dataclass_fields__)
