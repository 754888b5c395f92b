"""Pictures that say which one they are, and every kind of source made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest
from av.error import FFmpegError

from streamvpr.sources import open_concat, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from streamvpr.sources import Source

    Image = NDArray[np.uint8]

WIDTH, HEIGHT = 96, 64
BITS = 6
COUNT = 12


def _numbered(number: int) -> Image:
    """64x96 RGB: the number in six black or white cells on top, red and blue halves below."""
    cells = [(number >> bit) & 1 for bit in range(BITS)]
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:32] = np.repeat(np.array(cells, np.uint8) * 255, WIDTH // BITS)[None, :, None]
    picture[32:, :48] = (220, 20, 20)
    picture[32:, 48:] = (20, 20, 220)
    return picture


def _number(gray: Image) -> int:
    """The number that a (64, 96) luma picture shows."""
    cells = gray[8:24].reshape(16, BITS, WIDTH // BITS)[:, :, 4:12].mean(axis=(0, 2)) > 127
    return sum(1 << bit for bit, white in enumerate(cells) if white)


@pytest.fixture(scope="session")
def numbered() -> Callable[[int], Image]:
    return _numbered


@pytest.fixture(scope="session")
def number() -> Callable[[Image], int]:
    return _number


@pytest.fixture(scope="session")
def numbers_of() -> Callable[[Source], list[int]]:
    """The numbers that the frames of a source show, which is closed then."""

    def read(source: Source) -> list[int]:
        try:
            return [_number(frame.picture.gray(WIDTH, HEIGHT)) for frame in source.frames()]
        finally:
            source.close()

    return read


@dataclass(frozen=True)
class Kind:
    """How to open one kind of source, and what is to come out of it."""

    open: Callable[[], Source]
    paths: list[str]
    has_clock: bool
    frames: int = COUNT
    fps: int = 10


VIDEOS = {
    "mp4-h264": ("a.mp4", "libx264", "yuv420p"),
    "mov-mjpeg": ("a.mov", "mjpeg", "yuvj420p"),
    "mkv-hevc": ("a.mkv", "libx265", "yuv420p"),
    "webm-vp9": ("a.webm", "libvpx-vp9", "yuv420p"),
    "mpegts-mpeg2": ("a.ts", "mpeg2video", "yuv420p"),
    "avi-mpeg4": ("a.avi", "mpeg4", "yuv420p"),
    "nut-ffv1": ("a.nut", "ffv1", "yuv420p"),
}
KINDS = [*VIDEOS, "image-folder", "concat"]


@pytest.fixture(scope="session", params=KINDS)
def kind(
    request: pytest.FixtureRequest,
    make_video: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Kind:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "image-folder":
        return _image_folder(folder)
    if request.param == "concat":
        halves = [range(COUNT // 2), range(COUNT // 2, COUNT)]
        paths = [
            str(make_video(folder / f"part{i}.mp4", map(_numbered, half), fps=10))
            for i, half in enumerate(halves)
        ]
        return Kind(lambda: open_concat(paths, name="cam"), paths, has_clock=True)
    name, codec, pix_fmt = VIDEOS[request.param]
    fps = 25 if codec == "mpeg2video" else 10
    images = map(_numbered, range(COUNT))
    path = str(make_video(folder / name, images, fps=fps, codec=codec, pix_fmt=pix_fmt))
    return Kind(lambda: open_source(path, name="cam"), [path], has_clock=True, fps=fps)


def _image_folder(folder: Path) -> Kind:
    suffixes = [".jpg", ".png", ".JPG", ".bmp"]
    for index in range(COUNT):
        bgr = cv2.cvtColor(_numbered(index), cv2.COLOR_RGB2BGR)
        suffix = suffixes[index % len(suffixes)]
        assert cv2.imwrite(str(folder / f"{index}{suffix}"), bgr)
    paths = [str(folder / f"{i}{suffixes[i % len(suffixes)]}") for i in range(COUNT)]
    return Kind(lambda: open_source(str(folder), name="cam"), paths, has_clock=False)


@pytest.fixture
def source(kind: Kind) -> Iterator[Source]:
    opened = kind.open()
    yield opened
    opened.close()


def _decoded_by_pyav(path: Path) -> list[float | None]:
    """Times of the frames that PyAV decodes of the best track, bad packets left out.

    One frame after the other: with a thread a frame, those before a bad packet can be lost.
    """
    times: list[float | None] = []
    with av.open(str(path)) as container:
        track = container.streams.best("video")
        assert track is not None
        track.thread_type = "SLICE"
        packets = container.demux(track)
        failures = 0
        while failures < 100:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except FFmpegError:
                failures += 1
                packets = container.demux(track)
                continue
            try:
                times += [frame.time for frame in packet.decode()]
            except FFmpegError:
                continue
    return times


@pytest.fixture(scope="session")
def decoded_by_pyav() -> Callable[[Path], list[float | None]]:
    return _decoded_by_pyav
