"""A camera before which nothing happens: for months, and nothing grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import cv2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

VARIANTS = 50


@pytest.fixture
def standing(texture: Make, view: Make, noisy: Make, tmp_path: Path) -> Path:
    """Raw pictures of one view, each with another noise."""
    path = tmp_path / "standing.i420"
    picture = view(texture(3))
    with path.open("wb") as file:
        for seed in range(VARIANTS):
            bgr = cv2.cvtColor(noisy(picture, seed), cv2.COLOR_RGB2YUV_I420)
            file.write(bgr.tobytes())
    return path


@pytest.mark.timeout(900)
def test_a_live_run_grows_by_nothing(
    rtsp_server: Make, process: Make, standing: Path, long: bool, tmp_path: Path
) -> None:
    """Ten minutes with --long, of which the first is for getting up to speed."""
    seconds, warm = (600, 60) if long else (10, 4)
    run = process(
        *(rtsp_server(frames=standing).url, "--fps", 0, "--health-every", 1),
        *("--output-dir", tmp_path / "results"),
    )
    run.wait_for(1, "query")
    time.sleep(warm)
    before = (run.threads(), run.descriptors(), run.resident_bytes())
    time.sleep(seconds - warm)
    after = (run.threads(), run.descriptors(), run.resident_bytes())
    run.stop()
    health = run.of("health")[-1]
    print(f"{seconds} s: {before} ... {after}; {health}")
    assert run.code == 0
    assert after[:2] == before[:2]
    assert after[2] <= 1.01 * before[2]
    assert health["places"] == 1
    assert {line["decision"] for line in run.of("query")[1:]} == {"stationary"}
    assert health["dropped"] == {"overload": 0, "damaged": 0}
    assert "frozen" not in run.states()


@pytest.mark.timeout(120)
def test_an_hour_of_stream_time_grows_by_nothing(
    process: Make, make_video: Make, texture: Make, view: Make, noisy: Make, tmp_path: Path
) -> None:
    """As fast as it can be read: two pictures a second for an hour."""
    picture = view(texture(3))
    pictures = [noisy(picture, seed) for seed in range(VARIANTS)]
    path = make_video(
        tmp_path / "hour.mkv",
        (pictures[index % VARIANTS] for index in range(7200)),
        fps=2,
        options={"preset": "ultrafast", "g": "100", "crf": "35"},
    )
    run = process(path, "--health-every", 0.25)
    run.join(100)
    assert run.code == 0
    assert len(run.of("query")) == 7200
    assert run.of("query")[-1]["query_time"] == pytest.approx(3599.5)
    memory = [(line["processed"], line["resident_bytes"]) for line in run.of("health")]
    early = [size for processed, size in memory if 720 < processed < 2000]
    late = [size for processed, size in memory if processed > 5000]
    print(f"{min(early)} ... {max(late)}")
    assert max(late) <= 1.01 * max(early)
    assert run.of("health")[-1]["places"] == 1
