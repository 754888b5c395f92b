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


def oriented(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF segment that says how it was held."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
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


@pytest.mark.parametrize("size", [(1, 1), (16_384, 16), (16, 16_384), (1, 300)])
def test_sizes_that_nobody_expects(tmp_path: Path, size: tuple[int, int]) -> None:
    write(tmp_path / "a.png", np.full((size[1], size[0], 3), 90, np.uint8))
    (frame,) = open_source(str(tmp_path), name="c").frames()
    assert (frame.picture.width, frame.picture.height) == size
    assert frame.picture.rgb(32, 32).mean() == 90


def test_a_name_that_is_no_utf8_is_read(tmp_path: Path) -> None:
    good = tmp_path / "a.png"
    write(good, np.zeros((8, 8, 3), np.uint8))
    odd = bytes(tmp_path) + b"/b\xff.png"
    Path(odd.decode("utf-8", "surrogateescape")).write_bytes(good.read_bytes())
    assert len(names_of(tmp_path)) == 2
