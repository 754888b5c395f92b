"""Whether a PNG is all there, seen before anybody makes room for it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamvpr.sources.png_chunks import is_cut_off

CORPUS = Path(__file__).resolve().parents[1] / "fuzz" / "corpus"


@pytest.fixture
def png() -> bytes:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    return bytes(cv2.imencode(".png", picture)[1])


def test_a_whole_one_is_not(png: bytes) -> None:
    assert not is_cut_off(png)
    assert not is_cut_off(png + b"and what a camera writes behind it")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_the_beginning_of_one_is(png: bytes, share: float) -> None:
    begun = png[: int(len(png) * share)]
    assert is_cut_off(begun)
    assert cv2.imdecode(np.frombuffer(begun, np.uint8), cv2.IMREAD_COLOR) is None


def test_one_that_claims_too_much_is(png: bytes) -> None:
    at = png.index(b"IDAT") - 4
    assert is_cut_off(png[:at] + struct.pack(">I", 0xFFFFFFF0) + png[at + 4 :])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG"])
def test_what_is_none_is_not(data: bytes) -> None:
    assert not is_cut_off(data)


def test_no_room_is_made_for_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes((CORPUS / "image-4g-chunk.png").read_bytes())
    program = (
        "import pathlib, re; from streamvpr.sources.images import read_image\n"
        f"assert read_image(pathlib.Path({str(tmp_path / '0.png')!r})) is None\n"
        # That of rusage would count what was there before the program, too.
        "print(*re.findall(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(done.stdout) < 1_000_000, "kilobytes"
    assert b"it is cut off" in done.stderr
