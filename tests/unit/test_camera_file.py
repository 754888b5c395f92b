"""Calibrations as other programs write them, and files that are none."""

from __future__ import annotations

import builtins
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.errors import ConfigError
from streamvpr.geometry import Camera, Distortion, read_camera
from streamvpr.geometry.camera_file import LARGEST_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[str | bytes], Path]

PAGE = (Path(__file__).parents[2] / "docs/geometry.md").read_text(encoding="utf-8")

ROS = """\
image_width: 640
image_height: 480
camera_name: head_camera
camera_matrix:
  rows: 3
  cols: 3
  data: [438.783367, 0.000000, 305.593336, 0.000000, 437.302876, 243.738352, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
"""
ROS_CAMERA = Camera(
    640,
    480,
    438.783367,
    437.302876,
    305.593336,
    243.738352,
    Distortion.RADTAN,
    (-0.361976, 0.110510, 0.001014, 0.000505, 0.0),
)
MESSAGE = """\
header:
  stamp: {sec: 1, nanosec: 2}
  frame_id: camera
height: 480
width: 640
distortion_model: equidistant
d: [-0.01, 1e-05, -2E-3, .0003]
k: [285.0, 0, 320.5, 0.0, 286.0, 240.5, 0.0, 0.0, 1.0]
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
binning_x: 0
roi: {x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}
---
height: 1
"""
MESSAGE_CAMERA = Camera(
    640, 480, 285, 286, 320.5, 240.5, Distortion.EQUIDISTANT, (-0.01, 1e-5, -2e-3, 3e-4)
)
KALIBR = """\
cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [-0.29, 0.08, 0.0002, 1.7e-05]
  distortion_model: radtan
  intrinsics: [461.6, 460.3, 362.7, 248.1]
  resolution: [752, 480]
  rostopic: /cam0/image_raw
"""
KALIBR_CAMERA = Camera(
    752, 480, 461.6, 460.3, 362.7, 248.1, Distortion.RADTAN, (-0.29, 0.08, 0.0002, 1.7e-05)
)
CHAIN = (
    KALIBR
    + """\
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.11]
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.02, 0.03, 0.04]
  distortion_model: equidistant
  intrinsics: [190.9, 190.8, 254.9, 256.8]
  resolution: [512, 512]
"""
)
SECOND = Camera(
    512, 512, 190.9, 190.8, 254.9, 256.8, Distortion.EQUIDISTANT, (0.01, 0.02, 0.03, 0.04)
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: str | bytes) -> Path:
        path = tmp_path / "camera.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def refused(name: object) -> str:
    with pytest.raises(ConfigError) as raised:
        read_camera(str(name))
    message = str(raised.value)
    assert message.startswith(f"--camera {name}: ")
    assert "\n" not in message
    assert len(message) < 300 + len(str(name))
    return message


@pytest.mark.parametrize(
    ("text", "camera"),
    [(ROS, ROS_CAMERA), (MESSAGE, MESSAGE_CAMERA), (KALIBR, KALIBR_CAMERA)],
    ids=["camera_info", "message", "kalibr"],
)
def test_files_of_ros_and_kalibr(write: Write, text: str, camera: Camera) -> None:
    assert read_camera(str(write(text))) == camera
    assert read_camera(str(write("\ufeff" + text.replace("\n", "\r\n")))) == camera


def test_the_message_of_ros_1(write: Write) -> None:
    text = MESSAGE.replace("d: [", "D: [").replace("k: [", "K: [").replace("r: [", "R: [")
    assert read_camera(str(write(text))) == MESSAGE_CAMERA


@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
@pytest.mark.parametrize("model", [cv2.CV_64F, cv2.CV_32F])
def test_what_opencv_itself_writes(tmp_path: Path, count: int, model: int) -> None:
    path = tmp_path / "out_camera_data.yml"
    matrix = np.array([[657.5, 0, 319.5], [0, 657.25, 239.5], [0, 0, 1]])
    lens = np.linspace(-0.25, 0.5, count)[:, None]
    kind = np.float64 if model == cv2.CV_64F else np.float32
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Thu 26 Nov 2026 10:00:00 AM")
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.writeComment("flags: +zero_tangent_dist")
    storage.write("camera_matrix", matrix.astype(kind))
    storage.write("distortion_coefficients", lens.astype(kind))
    storage.write("image_points", np.random.default_rng(0).normal(size=(20, 54)).astype(np.float32))
    storage.release()
    camera = read_camera(str(path))
    assert (camera.width, camera.height) == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (657.5, 657.25, 319.5, 239.5)
    assert camera.distortion is Distortion.RADTAN
    assert camera.coefficients == pytest.approx(lens[:, 0], abs=1e-7)


def test_opencv_s_fisheye(tmp_path: Path) -> None:
    path = tmp_path / "wide.yml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("fisheye_model", 1)
    storage.write("camera_matrix", np.array([[300.0, 0, 320], [0, 300, 240], [0, 0, 1]]))
    storage.write("distortion_coefficients", np.array([[0.1, 0.01, 0.001, 0.0001]]))
    storage.release()
    assert read_camera(str(path)).distortion is Distortion.EQUIDISTANT


@pytest.mark.parametrize("data", ["[]", "[0, 0, 0, 0, 0]"])
def test_a_lens_that_was_not_calibrated_does_not_distort(write: Write, data: str) -> None:
    text = re.sub(r"data: \[-0.36.*", f"data: {data}", ROS)
    assert read_camera(str(write(text))).distortion is Distortion.NONE


def test_a_chain_wants_to_know_which(write: Write) -> None:
    path = write(CHAIN)
    message = refused(path)
    assert f"{path}#cam0, {path}#cam1" in message
    assert read_camera(f"{path}#cam0") == KALIBR_CAMERA
    assert read_camera(f"{path}#cam1") == SECOND
    assert "no camera cam7" in refused(f"{path}#cam7")
    assert read_camera(f"{write(KALIBR)}#cam0") == KALIBR_CAMERA
    assert "no Kalibr chain" in refused(f"{write(ROS)}#cam0")


def test_a_name_may_hold_the_sign_that_chooses(tmp_path: Path) -> None:
    path = tmp_path / "camera#1.yaml"
    path.write_text(ROS)
    assert read_camera(str(path)) == ROS_CAMERA


@pytest.mark.parametrize(
    ("text", "before", "after", "named"),
    [
        (ROS, "640", "0", "size 0x480"),
        (ROS, "640", "-640", "size -640x480"),
        (ROS, "640", "640.5", "size 640.5x480"),
        (ROS, "640", "wide", "'wide'"),
        (ROS, "640", "true", "True"),
        (ROS, "image_width: 640\n", "", "lacks image_width"),
        (ROS, "438.783367", "0", "focal length 0"),
        (ROS, "438.783367", "-438", "focal length -438"),
        (ROS, "438.783367", ".nan", "nan"),
        (ROS, "305.593336", "-.inf", "inf"),
        (ROS, "-0.361976", "1e999", "1e999"),
        (ROS, "-0.361976", "[1, 2]", "a list"),
        (ROS, "-0.361976", "{a: 1}", "keys and values"),
        (ROS, "-0.361976", "9" * 400, "999"),
        (ROS, "-0.361976", "9" * 9000, "understood"),
        (ROS, "-0.361976, ", "-0.3, 1, 2, ", "7 coefficients"),
        (ROS, "438.783367, 0.000000", "438.783367", "8 numbers and not 9"),
        (ROS, "438.783367, 0.000000", "438.783367, 3.0", "no rectangles"),
        (ROS, "plumb_bob", "thin_prism_fisheye", "thin_prism_fisheye"),
        (ROS, "plumb_bob", "equidistant", "5 coefficients"),
        (ROS, "plumb_bob", "none", "5 coefficients"),
        (ROS, "plumb_bob", "[a]", "a list"),
        (ROS, "distortion_coefficients", "coefficients", "lacks distortion_coefficients"),
        (ROS, "camera_matrix", "matrix", "none of camera_matrix"),
        (ROS, "camera_matrix:\n  rows: 3\n  cols: 3\n  data:", "camera_matrix:", "holds no keys"),
        (KALIBR, "pinhole", "omni", "'omni' is not supported"),
        (KALIBR, "pinhole", "ds", "'ds' is not supported"),
        (KALIBR, "radtan", "fov", "'fov' is not supported"),
        (KALIBR, "461.6, ", "", "3 numbers and not 4"),
        (KALIBR, "752, ", "", "1 numbers and not 2"),
        (KALIBR, "  intrinsics", "  other", "lacks intrinsics"),
        (MESSAGE, "y_offset: 0, height: 0", "y_offset: 8, height: 100", "roi"),
        (MESSAGE, "width: 640", "width: 99999999", "size 1e+08x480"),
        (MESSAGE, "equidistant", "", "distortion_model is no word"),
    ],
)
def test_what_cannot_be_is_said(
    write: Write, text: str, before: str, after: str, named: str
) -> None:
    assert before in text
    assert named in refused(write(text.replace(before, after, 1)))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "no keys"),
        (b"just words", "no keys"),
        (b"- 1\n- 2\n", "no keys"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "no text"),
        (b"a: \x00", "characters"),
        (b"a: [1, 2", "line 1"),
        (b"a: 1\n  b: 2", "line 2"),
        (b"\tcamera", "line 1"),
        (b"a: !!python/object/apply:os.system ['true']", "line 1"),
        (b"a: &a [*a]\nk: *a", "k has 1 numbers"),
        (b"k: 2026-99-99", "understood"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{a: " * 50_000, "nested too deeply"),
        (b"%YAML:1.0\n---\n" + b"{a: " * 50_000, "nested too deeply"),
        (b"1: 2\n3: 4\n", "none of camera_matrix"),
        (b"? {a: b}\n: 1\n", "line 1"),
        (b"<?xml version='1.0'?>\n<opencv_storage></opencv_storage>", "no keys"),
        (b"a" * (LARGEST_FILE + 1), "bytes"),
    ],
)
def test_files_that_are_none(write: Write, content: bytes, named: str) -> None:
    assert named in refused(write(content))


def test_a_bomb_of_references_stays_small(write: Write) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    text = "\n".join([*lines, "k: *a39", "d: []", "distortion_model: none", "width: 1", ""])
    assert "k holds a list" in refused(write(text))


def test_a_bomb_of_merged_keys_is_not_set_off(write: Write) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 40)]
    assert "merge" in refused(write("\n".join(lines)))


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "missing.yaml")
    assert "No such file" in refused(f"{tmp_path / 'missing.yaml'}#cam0")
    assert "directory" in refused(tmp_path)


def test_the_extra_that_is_missing_is_one_line(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'streamvpr\[camera\]'") as raised:
        read_camera(str(write(ROS)))
    assert "\n" not in str(raised.value)


def test_the_examples_of_the_page_are_read(write: Write) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        camera = read_camera(str(write(example)))
        assert (camera.width, camera.height) == (1280, 720)
