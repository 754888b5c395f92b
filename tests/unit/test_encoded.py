"""Pictures that lie encoded in files and maps."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from streamvpr.encoded import decode

PICTURE = np.full((30, 40, 3), 100, np.uint8)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_picture_is_read(ending: str) -> None:
    found = decode(bytes(cv2.imencode(ending, PICTURE)[1]))
    assert found is not None
    assert (found.shape, found.dtype) == ((30, 40, 3), np.uint8)


def test_a_gray_one_has_three_colours() -> None:
    found = decode(bytes(cv2.imencode(".png", PICTURE[..., 0])[1]))
    assert found is not None
    assert found.shape == (30, 40, 3)


def huge() -> bytes:
    data = bytes(cv2.imencode(".jpg", PICTURE)[1])
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 65500, 65500) + data[at + 4 :]


@pytest.mark.parametrize("data", [b"", b"nothing", huge()], ids=["empty", "text", "64k"])
def test_what_is_none_is_none(data: bytes) -> None:
    assert decode(data) is None
