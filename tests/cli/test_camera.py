"""`--camera` and `--geometry` from outside: what stands in the record, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., Any]

WIDTH, HEIGHT = 320, 240
FOCAL = 300.0
# Depths of the wall above and of the one below: a scene that no homography maps.
NEAR, FAR = 3.0, 8.0
# The second time the camera stands to the right by a fifth of the unit, turned to the left.
PLACES = 9
TURN, ASIDE = -0.04, 0.2


def calibration(path: Path, width: int = WIDTH, height: int = HEIGHT) -> Path:
    factor = width / WIDTH
    f, x, y = FOCAL * factor, (width - 1) / 2, (height - 1) / 2
    path.write_text(
        f"image_width: {width}\nimage_height: {height}\n"
        f"camera_matrix: {{rows: 3, cols: 3, data: [{f}, 0, {x}, 0, {f}, {y}, 0, 0, 1]}}\n"
        "distortion_model: plumb_bob\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
    )
    return path


def wall_homography(depth: float, turn: float, aside: float) -> np.ndarray:
    """From pixels of a picture that is the wall at that depth, seen straight, to the camera's.

    X = R (wall - (aside, 0, 0)): the camera stands `aside` to the right, turned about its y axis.
    """
    lens = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1]])
    turned = cv2.Rodrigues(np.array([0.0, turn, 0.0]))[0]
    shift = turned @ np.array([-aside, 0, 0])
    plane = turned + np.outer(shift, [0, 0, 1 / depth])
    return np.asarray(lens @ plane @ np.linalg.inv(lens))


def seen(texture: Make, place: int, turn: float, aside: float) -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for rows, depth, seed in ((slice(0, 120), NEAR, 0), (slice(120, None), FAR, 1)):
        wall = texture(1000 * place + seed, WIDTH + 200, HEIGHT)
        centred = np.array([[1, 0, -100], [0, 1, 0], [0, 0, 1.0]])
        view = cv2.warpPerspective(
            wall, wall_homography(depth, turn, aside) @ centred, (WIDTH, HEIGHT)
        )
        picture[rows] = view[rows]
    return picture


def way(texture: Make) -> Iterator[np.ndarray]:
    for place in range(PLACES):
        yield seen(texture, place, 0.0, 0.0)
    for place in range(2):
        yield seen(texture, place, TURN, ASIDE)


@pytest.fixture(scope="module")
def recording(make_video: Make, texture: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = make_video(
        tmp_path_factory.mktemp("way") / "way.mp4", way(texture), fps=2, options={"crf": "12"}
    )
    return path


@pytest.fixture
def closures(process: Make, recording: Path, tiny_model: Path) -> Make:
    """The loop closures of a process of its own."""

    def run(*arguments: object) -> list[dict[str, Any]]:
        result = process(
            "run", recording, "--model", tiny_model, "--exclude-recent", 3, "--sim-threshold", 0,
            "--threads", 1, *arguments,
        )  # fmt: skip
        assert result.code == 0, result.err
        found: list[dict[str, Any]] = result.lines
        assert [(c["query_idx"], c["match_idx"]) for c in found] == [(9, 0), (10, 1)]
        return found

    return run


@pytest.mark.parametrize("geometry", ["auto", "essential", "homography"])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (1280, 960)])
def test_a_closure_says_how_the_camera_moved(
    closures: Make, tmp_path: Path, geometry: str, size: tuple[int, int]
) -> None:
    camera = calibration(tmp_path / "camera.yaml", *size)
    for closure in closures("--camera", camera, "--geometry", geometry):
        # The query's camera is the one that moved: X_match = R X_query + t takes its points back.
        x, y, z, w = closure["rotation"]
        assert (x, y, z, w) == pytest.approx((0, np.sin(-TURN / 2), 0, np.cos(TURN / 2)), abs=0.008)
        assert np.linalg.norm(closure["translation"]) == pytest.approx(1)
        assert closure["translation"][0] > 0.95
        assert closure["geometry"] == ("homography" if geometry == "homography" else "essential")
        assert (closure["homography"] is None) == (geometry != "homography")
        assert closure["fundamental"] is None


def test_without_a_camera_there_is_no_pose(closures: Make) -> None:
    for closure in closures("--geometry", "auto"):
        assert closure["geometry"] == "fundamental"
        assert len(closure["fundamental"]) == 9
        assert closure["homography"] is None
    for closure in closures():
        assert closure["geometry"] == "homography"
        assert len(closure["homography"]) == 9
        assert closure["rotation"] is closure["translation"] is closure["fundamental"] is None


def test_geometry_that_is_off_is_no_model(closures: Make) -> None:
    for closure in closures("--no-verify-geom"):
        assert closure["geometry"] is closure["rotation"] is None


def test_match_has_poses_too(
    process: Make, recording: Path, tiny_model: Path, tmp_path: Path
) -> None:
    result = process(
        "match", recording, recording, "--model", tiny_model, "--output-dir", tmp_path / "out",
        "--camera", calibration(tmp_path / "camera.yaml"), "--duration", 4, "--sim-threshold", 0,
    )  # fmt: skip
    assert result.code == 0
    assert len(result.lines) >= 8
    for closure in result.lines:
        assert closure["query_idx"] == closure["match_idx"]
        assert closure["rotation"] == pytest.approx([0, 0, 0, 1], abs=1e-3)
        assert closure["translation"] is None, "it stands where it stood"
    assert json.loads((tmp_path / "out/loop_closures.json").read_text()) == result.lines
    assert "camera.yaml" in (tmp_path / "out/run.toml").read_text()


class TestRefusals:
    @pytest.fixture
    def failed(self, process: Make, recording: Path, tiny_model: Path) -> Make:
        def run(*arguments: object) -> str:
            result = process("run", recording, "--model", tiny_model, *arguments)
            assert (result.code, result.out) == (2, b""), result.err
            error: str = result.error
            return error

        return run

    def test_a_file_that_is_missing(self, failed: Make, tmp_path: Path) -> None:
        assert f"{tmp_path}/missing.yaml: cannot" in failed("--camera", tmp_path / "missing.yaml")

    @pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"a: [1", b"{a: " * 30_000])
    def test_a_file_that_is_broken(self, failed: Make, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "broken.yaml"
        path.write_bytes(content)
        assert str(path) in failed("--camera", path)

    def test_a_camera_of_another_aspect(self, failed: Make, tmp_path: Path) -> None:
        error = failed("--camera", calibration(tmp_path / "camera.yaml", 1280, 720))
        for named in ("way.mp4", "320x240", "1280x720"):
            assert named in error

    def test_an_essential_matrix_without_a_camera(self, failed: Make) -> None:
        assert "--camera FILE" in failed("--geometry", "essential")

    def test_a_camera_that_nothing_would_use(self, failed: Make, tmp_path: Path) -> None:
        camera = calibration(tmp_path / "camera.yaml")
        assert "--no-verify-geom" in failed("--camera", camera, "--no-verify-geom")
        assert "--geometry" in failed("--camera", camera, "--geometry", "fundamental")

    def test_a_geometry_that_there_is_not(self, failed: Make) -> None:
        assert "affine" in failed("--geometry", "affine")
