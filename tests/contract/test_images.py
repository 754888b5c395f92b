"""Folders of images: their order, their orientation, and images that cannot be read."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.sources import open_source
from streamvpr.sources.images import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]


def names_of(folder: Path) -> list[str]:
    return [Path(frame.path).name for frame in open_source(str(folder), name="c").frames()]


def write(path: Path, picture: Any) -> None:
    assert cv2.imwrite(str(path), picture)


def test_order_is_natural(tmp_path: Path) -> None:
    wanted = ["1.jpg", "2.jpg", "10.jpg", "a2b3.jpg", "a2b20.jpg", "A10.jpg", "b.jpg"]
    for name in sorted(wanted):
        write(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    assert names_of(tmp_path) == wanted


def test_names_of_leading_zeros_and_other_digits_are_in_order_too(tmp_path: Path) -> None:
    wanted = ["007.png", "08.png", "9.png", "x²1.png"]
    for name in wanted:
        write(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    assert names_of(tmp_path) == wanted


def test_what_is_no_image_by_its_ending_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "1.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "2.txt").write_text("no image")
    (tmp_path / ".hidden").write_text("no image")
    source = open_source(str(tmp_path), name="c")
    assert [Path(f.path).name for f in source.frames()] == ["1.png"]
    assert source.skipped == 0


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_kind_of_image_is_read(tmp_path: Path, suffix: str) -> None:
    shape = (24, 32) if suffix == ".pgm" else (24, 32, 3)
    write(tmp_path / f"a{suffix}", np.full(shape, 200, np.uint8))
    (frame,) = open_source(str(tmp_path), name="c").frames()
    assert (frame.picture.width, frame.picture.height) == (32, 24)
    assert abs(int(frame.picture.gray(4, 4)[0, 0]) - 200) < 4


@pytest.mark.parametrize(
    "broken", [b"", b"no image", "half"], ids=["empty", "junk", "cut off in its header"]
)
def test_an_image_that_cannot_be_read_is_skipped_counted_and_warned_of(
    tmp_path: Path, logged: Any, broken: bytes | str
) -> None:
    for name in ("1.png", "2.png", "3.png"):
        write(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    bad = tmp_path / "2.png"
    bad.write_bytes(bad.read_bytes()[:20] if isinstance(broken, str) else broken)
    source = open_source(str(tmp_path), name="c")
    assert [Path(frame.path).name for frame in source.frames()] == ["1.png", "3.png"]
    assert source.skipped == 1
    (warning,) = logged.warnings
    assert str(bad) in warning
    assert "\n" not in warning


def test_a_link_to_nowhere_and_a_folder_called_jpg_are_skipped(tmp_path: Path, logged: Any) -> None:
    write(tmp_path / "1.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "3.jpg").mkdir()
    source = open_source(str(tmp_path), name="c")
    assert [Path(frame.path).name for frame in source.frames()] == ["1.png"]
    assert (source.skipped, len(logged.warnings)) == (2, 2)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 3), (24, 32, 4)], ids=["grey", "rgb", "rgba"])
def test_pixel_formats(tmp_path: Path, depth: Any, shape: tuple[int, ...]) -> None:
    write(tmp_path / "a.png", np.full(shape, np.iinfo(depth).max // 2, depth))
    (frame,) = open_source(str(tmp_path), name="c").frames()
    assert np.abs(frame.picture.rgb(16, 12).astype(int) - 127).max() <= 1


def oriented(jpeg: bytes, orientation: int, order: str = "<") -> bytes:
    """The JPEG with an EXIF segment that says how it was held."""
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order]
    tiff = begin + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize(
    ("orientation", "size", "corner"),
    [
        (1, (96, 64), "top left"),
        (3, (96, 64), "bottom right"),
        (6, (64, 96), "top right"),
        (8, (64, 96), "bottom left"),
    ],
)
def test_pictures_are_upright_by_their_exif_orientation(
    tmp_path: Path, orientation: int, size: tuple[int, int], corner: str
) -> None:
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:20, :20] = 255
    _, jpeg = cv2.imencode(".jpg", stored)
    (tmp_path / "a.jpg").write_bytes(oriented(bytes(jpeg), orientation))
    (frame,) = open_source(str(tmp_path), name="c").frames()
    assert (frame.picture.width, frame.picture.height) == size
    gray = frame.picture.gray(*size)
    rows = slice(0, 10) if "top" in corner else slice(-10, None)
    columns = slice(0, 10) if "left" in corner else slice(-10, None)
    assert gray[rows, columns].mean() > 240
    assert gray.mean() < 40


def smooth(seed: int, size: tuple[int, int] = (96, 64)) -> Any:
    """A coloured picture whose planes and pixels can be compared: it has no sharp edges."""
    coarse = np.random.default_rng(seed).integers(40, 216, (3, 4, 3), np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


def encoded(picture: Any, *flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, list(flags))[1])


def read_one(folder: Path, jpeg: bytes) -> Any:
    """The picture that a source makes of the data."""
    (folder / "a.jpg").write_bytes(jpeg)
    (frame,) = open_source(str(folder), name="c").frames()
    return frame.picture


def assert_shows(picture: Any, jpeg: bytes) -> None:
    """That it is what OpenCV makes of the data, in size, in colours and in luma."""
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    height, width = bgr.shape[:2]
    assert (picture.width, picture.height) == (width, height)
    rgb, gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    for found, wanted in ((picture.rgb(width, height), rgb), (picture.gray(width, height), gray)):
        difference = np.abs(found.astype(int) - wanted)
        assert difference.mean() < 2
        assert np.percentile(difference, 99) < 12


SAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
KINDS_OF_JPEG = {
    "4:2:0": (SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    "4:2:2": (SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422),
    "4:4:0": (SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "4:4:4": (SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    "4:1:1": (SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "progressive": (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "coarse": (cv2.IMWRITE_JPEG_QUALITY, 40),
}


@pytest.mark.parametrize("kind", KINDS_OF_JPEG)
@pytest.mark.parametrize("size", [(96, 64), (97, 63), (640, 480)])
def test_jpeg_shows_what_other_decoders_show(
    tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    jpeg = encoded(smooth(1, size), *KINDS_OF_JPEG[kind])
    assert_shows(read_one(tmp_path, jpeg), jpeg)


def test_grey_jpeg_is_grey(tmp_path: Path) -> None:
    jpeg = encoded(cv2.cvtColor(smooth(2), cv2.COLOR_BGR2GRAY))
    picture = read_one(tmp_path, jpeg)
    assert_shows(picture, jpeg)
    assert np.ptp(picture.rgb(96, 64).astype(int), axis=2).max() == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_every_exif_orientation_is_that_of_other_decoders(
    tmp_path: Path, orientation: int, order: str
) -> None:
    jpeg = oriented(encoded(smooth(3)), orientation, order)
    assert_shows(read_one(tmp_path, jpeg), jpeg)


@pytest.mark.parametrize("noted", [b"", b"II", b"II*\0\xff\xff\0\0", b"XX*\0\x08\0\0\0\1\0"])
def test_notes_of_a_camera_that_cannot_be_read_harm_nothing(tmp_path: Path, noted: bytes) -> None:
    jpeg = encoded(smooth(4))
    note = b"Exif\0\0" + noted
    jpeg = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + jpeg[2:]
    assert_shows(read_one(tmp_path, jpeg), jpeg)


def adobe(transform: int) -> bytes:
    """Adobe's note on what the components are."""
    return b"\xff\xee\0\x0eAdobe\0\x64" + bytes(4) + bytes([transform])


@pytest.mark.parametrize("transform", [0, 1])
def test_components_are_what_the_file_says(tmp_path: Path, transform: int) -> None:
    jpeg = encoded(smooth(5), SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    without_jfif = jpeg[:2] + adobe(transform) + jpeg[20:]
    assert_shows(read_one(tmp_path, without_jfif), without_jfif)


@pytest.mark.parametrize("after", [bytes(64), encoded(smooth(6, (16, 16)))], ids=["zeros", "jpeg"])
def test_what_follows_a_jpeg_is_left_alone(tmp_path: Path, after: bytes) -> None:
    jpeg = encoded(smooth(7))
    assert_shows(read_one(tmp_path, jpeg + after), jpeg)


def test_a_jpeg_shows_the_same_whatever_came_before_it(tmp_path: Path) -> None:
    jpeg = encoded(smooth(8))
    alone = read_one(tmp_path, jpeg)
    damaged = bytearray(jpeg)
    damaged[len(jpeg) * 2 // 3 :] = bytes(len(jpeg) - len(jpeg) * 2 // 3 - 2) + jpeg[-2:]
    before = [
        encoded(smooth(9, (320, 200)), SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        bytes(damaged),
        encoded(smooth(10)[..., 0]),
        oriented(jpeg, 6),
        encoded(smooth(11), cv2.IMWRITE_JPEG_QUALITY, 20, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    ]
    for number, data in enumerate([*before, jpeg]):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    (tmp_path / "a.jpg").unlink()
    *_, last = open_source(str(tmp_path), name="c").frames()
    assert Path(last.path).name == f"{len(before)}.jpg"
    assert np.array_equal(last.picture.rgb(32, 32), alone.rgb(32, 32))
    assert np.array_equal(last.picture.gray(96, 64), alone.gray(96, 64))


def test_a_jpeg_that_is_cut_off_is_treated_as_opencv_does(tmp_path: Path) -> None:
    jpeg = encoded(smooth(12))
    for number, length in enumerate([*range(2, len(jpeg), len(jpeg) // 20), len(jpeg) - 1]):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg[:length])
    (tmp_path / "whole.jpg").write_bytes(jpeg)
    source = open_source(str(tmp_path), name="c")
    read = [Path(frame.path) for frame in source.frames()]
    files = list(tmp_path.iterdir())
    decoded = {
        file: cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        for file in files
    }
    assert set(read) == {file for file, picture in decoded.items() if picture is not None}
    assert source.skipped == len(files) - len(read)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("size", [(1, 1), (16_384, 16), (16, 16_384), (1, 300)])
def test_sizes_that_nobody_expects(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    write(tmp_path / f"a{suffix}", np.full((size[1], size[0], 3), 90, np.uint8))
    (frame,) = open_source(str(tmp_path), name="c").frames()
    assert (frame.picture.width, frame.picture.height) == size
    assert abs(frame.picture.rgb(32, 32).mean() - 90) < 1


def test_a_name_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    good = tmp_path / "a.png"
    write(good, np.zeros((8, 8, 3), np.uint8))
    odd = bytes(tmp_path) + b"/b\xff.png"
    Path(odd.decode("utf-8", "surrogateescape")).write_bytes(good.read_bytes())
    assert len(names_of(tmp_path)) == 2


def test_a_jpeg_whose_scan_says_nothing_is_skipped(tmp_path: Path) -> None:
    jpeg = encoded(smooth(8, (64, 48)))
    scan = jpeg.index(b"\xff\xda")
    (tmp_path / "0.jpg").write_bytes(jpeg[:scan] + b"\xff\xda\x00\x02" + b"\xff\xd9" * 8)
    (tmp_path / "1.jpg").write_bytes(jpeg)
    source = open_source(str(tmp_path), name="c")
    assert [Path(frame.path).name for frame in source.frames()] == ["1.jpg"]
