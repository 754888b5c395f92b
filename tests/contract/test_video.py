"""Video as it really comes: cut off, damaged, turned, odd in size, time and tracks."""

from __future__ import annotations

import contextlib
import gc
import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from streamvpr.errors import ConfigError, SourceError, SourceLost
from streamvpr.media import encode_video
from streamvpr.sources import (
    Clip,
    Decoding,
    SourceOptions,
    VideoSource,
    open_concat,
    open_source,
)
from streamvpr.sources.container import VideoContainer
from streamvpr.sources.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Make = Callable[..., Any]

REAL_VIDEOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "videos"


def open_it(path: Path, **options: Any) -> Any:
    return open_source(str(path), name="cam", options=SourceOptions(**options))


def times_of(source: Any) -> list[float]:
    try:
        return [frame.time for frame in source.frames()]
    finally:
        source.close()


def increase_strictly(times: list[float]) -> bool:
    return bool((np.diff(times) > 0).all())


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def damage(path: Path, packets: list[int]) -> None:
    """Overwrite whole packets with what no decoder takes."""
    data = path.read_bytes()
    stored = packets_of(path)
    for index in packets:
        packet = stored[index]
        assert data.count(packet) == 1
        data = data.replace(packet, b"\xff" * len(packet))
    path.write_bytes(data)


class TestCutOff:
    """A recorder that lost its power; each file announces 6 s."""

    @pytest.fixture(params=["mp4", "mkv", "avi"])
    def whole(
        self, request: pytest.FixtureRequest, tmp_path: Path, make_video: Make, pan: Make
    ) -> Path:
        return make_video(
            tmp_path / f"whole.{request.param}",
            pan(0, 60, 60),
            codec="mpeg4" if request.param == "avi" else "libx264",
            container_options={"movflags": "faststart"} if request.param == "mp4" else {},
        )

    def test_all_frames_before_the_cut_and_a_warning(
        self, whole: Path, decoded_by_pyav: Make, logged: Any
    ) -> None:
        data = whole.read_bytes()
        whole.write_bytes(data[: len(data) // 2])
        times = times_of(open_it(whole))
        assert len(times) == len(decoded_by_pyav(whole))
        assert 10 <= len(times) <= 40
        assert increase_strictly(times)
        assert any("cut off" in warning for warning in logged.warnings)

    def test_no_frame_before_the_cut_is_lost_to_the_threads_of_the_decoder(
        self, whole: Path, decoded_by_pyav: Make
    ) -> None:
        stored = packets_of(whole)
        data = whole.read_bytes()
        at = data.index(stored[30]) + len(stored[30]) // 2
        whole.write_bytes(data[:at])
        assert len(times_of(open_it(whole))) == len(decoded_by_pyav(whole))

    def test_a_whole_file_gives_no_warning(self, whole: Path, logged: Any) -> None:
        assert len(times_of(open_it(whole))) == 60
        assert not logged.warnings

    def test_a_clip_that_ends_before_the_end_gives_no_warning(
        self, whole: Path, logged: Any
    ) -> None:
        assert len(times_of(open_it(whole, clip=Clip(duration=2.0)))) == 20
        assert not logged.warnings


class TestDamage:
    @pytest.fixture
    def intra(self, tmp_path: Path, make_video: Make, numbered: Make) -> Path:
        """Every packet is a picture of its own."""
        path = tmp_path / "a.avi"
        return make_video(path, map(numbered, range(24)), codec="mjpeg", pix_fmt="yuvj420p")

    @pytest.mark.parametrize("bad", [[0], [7], [22], [23], [3, 12], list(range(8, 16))])
    def test_a_bad_packet_is_skipped_and_the_others_are_not(
        self, intra: Path, numbers_of: Make, logged: Any, bad: list[int]
    ) -> None:
        damage(intra, bad)
        source = open_it(intra)
        assert numbers_of(source) == [n for n in range(24) if n not in bad]
        assert source.skipped == len(bad)
        assert sum("skipped a bad packet" in warning for warning in logged.warnings) == 1

    def test_nothing_but_bad_packets_is_a_lost_source(self, intra: Path) -> None:
        damage(intra, list(range(24)))
        with pytest.raises(SourceLost, match="no frame") as error:
            times_of(open_it(intra))
        assert str(intra) in str(error.value)

    def test_a_damaged_file_of_pictures_that_need_each_other_still_ends(
        self, tmp_path: Path, make_video: Make, pan: Make
    ) -> None:
        path = make_video(tmp_path / "a.mkv", pan(0, 40, 40), options={"g": "10"})
        damage(path, [13, 14])
        times = times_of(open_it(path))
        assert 30 <= len(times) <= 40
        assert increase_strictly(times)

    @pytest.mark.parametrize("seed", range(6))
    def test_bytes_overwritten_anywhere_end_in_frames_or_in_one_error(
        self, tmp_path: Path, make_video: Make, pan: Make, seed: int
    ) -> None:
        suffix, codec = [("mp4", "libx264"), ("mkv", "libx264"), ("ts", "mpeg2video")][seed % 3]
        path = make_video(tmp_path / f"a.{suffix}", pan(0, 20, 20), fps=25, codec=codec)
        data = bytearray(path.read_bytes())
        chance = np.random.default_rng(seed)
        for at in chance.integers(0, len(data) - 64, 12):
            data[at : at + 32] = chance.bytes(32)
        path.write_bytes(data)
        with contextlib.suppress(SourceError):
            assert increase_strictly(times_of(open_it(path)))


class TestTime:
    @pytest.mark.parametrize("suffix", ["mkv", "mp4"])
    def test_a_variable_rate_keeps_its_timestamps(
        self, tmp_path: Path, make_video: Make, numbered: Make, suffix: str
    ) -> None:
        pts = [0, 33, 66, 500, 510, 900, 2400, 2433, 2500]
        path = make_video(
            tmp_path / f"a.{suffix}", map(numbered, range(len(pts))), milliseconds=pts
        )
        assert times_of(open_it(path)) == pytest.approx([p / 1000 for p in pts], abs=1e-4)

    def test_a_transport_stream_that_begins_later_keeps_its_timestamps(
        self, tmp_path: Path, make_video: Make, numbered: Make, decoded_by_pyav: Make
    ) -> None:
        path = make_video(
            tmp_path / "a.ts",
            map(numbered, range(30)),
            fps=25,
            codec="mpeg2video",
            container_options={"output_ts_offset": "90"},
        )
        times = times_of(open_it(path))
        assert times[0] == pytest.approx(90, abs=1)
        assert times == pytest.approx(decoded_by_pyav(path))

    def test_repeated_timestamps_are_pulled_apart(
        self, tmp_path: Path, numbered: Make, numbers_of: Make
    ) -> None:
        path = tmp_path / "a.mkv"
        pts = [0, 100, 100, 200, 200, 200, 300, 400]
        write_packets(path, [numbered(n) for n in range(len(pts))], pts)
        times = times_of(open_it(path))
        assert increase_strictly(times)
        assert times == pytest.approx([p / 1000 for p in pts], abs=0.01)
        assert numbers_of(open_it(path)) == list(range(len(pts)))

    def test_a_file_without_timestamps_counts_by_its_rate(
        self, tmp_path: Path, make_video: Make, numbered: Make, numbers_of: Make
    ) -> None:
        path = make_video(tmp_path / "a.h264", map(numbered, range(24)), fps=25)
        times = times_of(open_it(path))
        assert len(times) == 24
        assert increase_strictly(times)
        assert times[-1] - times[0] == pytest.approx(23 / 25, rel=0.2)
        assert numbers_of(open_it(path)) == list(range(24))

    def test_timestamps_that_begin_again_go_on(
        self, tmp_path: Path, make_video: Make, numbered: Make, numbers_of: Make
    ) -> None:
        parts = [
            make_video(tmp_path / f"{i}.ts", map(numbered, numbers), fps=25, codec="mpeg2video")
            for i, numbers in enumerate([range(30), range(30, 60)])
        ]
        joined = tmp_path / "joined.ts"
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        times = times_of(open_it(joined))
        assert increase_strictly(times)
        assert times[-1] - times[0] == pytest.approx(59 / 25, abs=0.1)
        assert numbers_of(open_it(joined)) == list(range(60))


def write_packets(path: Path, images: list[Image], milliseconds: list[int]) -> None:
    """Motion JPEG with exactly these timestamps, increasing or not."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, (image, pts) in enumerate(zip(images, milliseconds, strict=True)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index * 100, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packet.pts = packet.dts = pts
                packet.time_base = Fraction(1, 1000)
                container.mux(packet)


@pytest.fixture(scope="module", params=["mp4", "mp4-short-gops", "ts", "avi", "h264"])
def clipped(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_video: Make,
    numbered: Make,
) -> Path:
    """60 numbered frames, 25 a second."""
    suffix, _, short = request.param.partition("-")
    codec = {"ts": "mpeg2video", "avi": "mpeg4"}.get(suffix, "libx264")
    return make_video(
        tmp_path_factory.mktemp("clip") / f"a.{suffix}",
        map(numbered, range(60)),
        fps=25,
        codec=codec,
        options={"g": "5"} if short else {},
    )


class TestClip:
    @pytest.mark.parametrize(
        ("clip", "numbers"),
        [
            (Clip(), range(60)),
            (Clip(start=0.4), range(10, 60)),
            (Clip(duration=0.4), range(10)),
            (Clip(start=0.8, duration=0.4), range(20, 30)),
            (Clip(start=2.0, duration=100), range(50, 60)),
        ],
    )
    def test_exactly_the_frames_of_the_clip(
        self, clipped: Path, numbers_of: Make, clip: Clip, numbers: range
    ) -> None:
        assert numbers_of(open_it(clipped, clip=clip)) == list(numbers)

    def test_times_are_those_of_the_whole_file(self, clipped: Path) -> None:
        whole = times_of(open_it(clipped))
        cut = times_of(open_it(clipped, clip=Clip(start=0.8, duration=0.4)))
        assert cut == pytest.approx(whole[20:30], abs=1e-6)

    def test_span_is_that_of_the_clip(self, clipped: Path) -> None:
        source = open_it(clipped, clip=Clip(start=0.8, duration=0.4))
        assert source.span == pytest.approx(0.4)

    def test_a_clip_behind_the_end_is_empty(self, clipped: Path) -> None:
        source = open_it(clipped, clip=Clip(start=1000))
        assert list(source.frames()) == []
        assert source.span in (0, None)


REORDERING = {
    "h264": ("a.mkv", "libx264", {"g": "10", "bf": "3", "sc_threshold": "0"}),
    "h264-open": (
        "a.mkv",
        "libx264",
        {"g": "10", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1"},
    ),
    "h264-slices": ("a.ts", "libx264", {"g": "10", "bf": "0", "slices": "4"}),
    "hevc": (
        "a.mkv",
        "libx265",
        {"x265-params": "keyint=10:min-keyint=10:scenecut=0:log-level=none:pools=none"},
    ),
    "mpeg2": ("a.ts", "mpeg2video", {"g": "10", "bf": "2"}),
    "mpeg4": ("a.avi", "mpeg4", {"g": "10", "bf": "2"}),
}


class TestKeyframesAlone:
    @pytest.fixture(params=REORDERING)
    def moving(
        self, request: pytest.FixtureRequest, tmp_path: Path, make_video: Make, pan: Make
    ) -> Path:
        """100 pictures in groups of 10 at most; a decoder keeps some back to reorder them."""
        name, codec, options = REORDERING[request.param]
        return make_video(tmp_path / name, pan(0, 100, 100), fps=25, codec=codec, options=options)

    def test_each_gives_its_own_picture_at_once(self, moving: Path) -> None:
        container = VideoContainer(Opening(str(moving), "a"))
        found, keyframes = [], []
        while packet := container.read():
            if packet.is_flush:
                found += container.decode_alone(packet)
            elif packet.is_keyframe:
                keyframes.append(packet.seconds)
                found += container.decode_alone(packet)
                assert found[-1].seconds == packet.seconds
        container.close()
        assert [one.seconds for one in found] == keyframes
        assert 8 <= len(keyframes) <= 30

    def test_also_after_all_were_decoded(self, moving: Path) -> None:
        container = VideoContainer(Opening(str(moving), "a"))
        groups, times = 0, []
        while (packet := container.read()) and not packet.is_flush:
            groups += packet.is_keyframe
            if groups < 4:
                times += [one.seconds for one in container.decode(packet)]
            elif packet.is_keyframe:
                times += [one.seconds for one in container.decode_alone(packet)]
                assert times[-1] == packet.seconds
        container.close()
        assert groups > 6
        assert increase_strictly(times)

    def test_of_a_file_where_they_are_asked_for(self, moving: Path) -> None:
        whole = times_of(open_it(moving))
        source = open_it(moving, decoding=Decoding.KEYFRAMES)
        times = times_of(source)
        assert len(times) + source.undecoded == len(whole)
        assert 8 <= len(times) <= 30
        assert times == [one for one in whole if one in times]


class TestConcat:
    def test_the_clip_counts_over_all_files(
        self, tmp_path: Path, make_video: Make, numbered: Make, numbers_of: Make
    ) -> None:
        paths = [
            str(make_video(tmp_path / f"{i}.mp4", map(numbered, range(i * 10, i * 10 + 10))))
            for i in range(3)
        ]
        options = SourceOptions(clip=Clip(start=0.8, duration=1.5))
        assert numbers_of(open_concat(paths, name="c", options=options)) == list(range(8, 23))

    def test_keyframes_alone_are_counted_over_all_files(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        paths = [
            str(make_video(tmp_path / f"{i}.mp4", map(numbered, range(10)), options={"g": "5"}))
            for i in range(3)
        ]
        options = SourceOptions(decoding=Decoding.KEYFRAMES)
        source = open_concat(paths, name="c", options=options)
        assert len(times_of(source)) == 6
        assert source.undecoded == 24

    def test_a_file_that_is_done_is_let_go_with_what_its_decoder_keeps(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        paths = [str(make_video(tmp_path / f"{i}.mp4", map(numbered, range(4)))) for i in range(3)]
        source = open_concat(paths, name="c")
        there = []
        for frame in source.frames():
            gc.collect()
            known = {one.path for one in gc.get_objects() if type(one) is VideoSource}
            there.append((paths.index(frame.path), len(known & set(paths))))
        assert there == [(0, 3)] * 4 + [(1, 2)] * 4 + [(2, 1)] * 4

    def test_files_that_begin_later_join_without_a_gap(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        paths = [
            str(
                make_video(
                    tmp_path / f"{i}.ts", map(numbered, range(10)), fps=25, codec="mpeg2video"
                )
            )
            for i in range(2)
        ]
        times = times_of(open_concat(paths, name="c"))
        assert np.allclose(np.diff(times), 0.04, atol=2e-3)

    def test_a_broken_file_is_named_after_the_frames_before_it(
        self, tmp_path: Path, make_video: Make, numbered: Make, number: Make
    ) -> None:
        paths = [
            make_video(
                tmp_path / f"{i}.avi",
                map(numbered, range(i * 4, i * 4 + 4)),
                codec="mjpeg",
                pix_fmt="yuvj420p",
            )
            for i in range(3)
        ]
        damage(paths[1], [0, 1, 2, 3])
        frames = open_concat([str(path) for path in paths], name="c").frames()
        assert [number(next(frames).picture.gray(96, 64)) for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(SourceLost, match=r"1\.avi"):
            next(frames)


class TestTracks:
    @pytest.fixture
    def two(self, tmp_path: Path, texture: Make) -> Path:
        """Audio at index 0; a small track of low rate at 1; a large one of high rate at 2."""
        path = tmp_path / "two.mp4"
        with av.open(str(path), "w") as container:
            audio = container.add_stream("aac", rate=16000, layout="mono")
            tracks = [container.add_stream("libx264", rate=10) for _ in range(2)]
            for track, (width, height) in zip(tracks, [(64, 48), (320, 240)], strict=True):
                track.width, track.height, track.pix_fmt = width, height, "yuv420p"
                track.disposition = Disposition.default
            sound = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            sound.sample_rate = 16000
            container.mux(audio.encode(sound))
            for seed in range(12):
                for track in tracks:
                    picture = texture(seed, track.width, track.height)
                    container.mux(track.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            for stream in (audio, *tracks):
                container.mux(stream.encode(None))
        return path

    def test_ffmpegs_best_track_is_taken_and_audio_never(self, two: Path) -> None:
        frames = list(open_it(two).frames())
        assert {(f.picture.width, f.picture.height) for f in frames} == {(320, 240)}
        assert len(frames) == 12

    @pytest.mark.parametrize(("index", "width"), [(1, 64), (2, 320)])
    def test_or_the_one_that_is_asked_for(self, two: Path, index: int, width: int) -> None:
        frames = list(open_it(two, video_stream=index).frames())
        assert {frame.picture.width for frame in frames} == {width}
        assert len(frames) == 12

    @pytest.mark.parametrize("index", [0, 3])
    def test_an_index_without_video_is_a_bad_option(self, two: Path, index: int) -> None:
        with pytest.raises(ConfigError, match=f"--video-stream {index}.*1, 2"):
            open_it(two, video_stream=index)


class TestPictures:
    @pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("ts", "mpeg2video")])
    def test_the_size_may_change_midway(
        self,
        tmp_path: Path,
        make_video: Make,
        texture: Make,
        decoded_by_pyav: Make,
        suffix: str,
        codec: str,
    ) -> None:
        sizes = [(160, 120), (96, 64)]
        parts = [
            make_video(tmp_path / f"{w}.{suffix}", [texture(w, w, h)] * 12, fps=25, codec=codec)
            for w, h in sizes
        ]
        joined = tmp_path / f"joined.{suffix}"
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        frames = list(open_it(joined).frames())
        assert len(frames) == len(decoded_by_pyav(joined))
        shown = [(f.picture.width, f.picture.height) for f in frames]
        assert shown == sorted(shown, reverse=True)
        assert set(shown) == set(sizes)
        assert {f.picture.rgb(32, 32).shape for f in frames} == {(32, 32, 3)}

    @pytest.mark.parametrize(
        ("codec", "pix_fmt"),
        [
            ("libx264", "yuv420p10le"),
            ("libx265", "yuv420p10le"),
            ("libx264", "gray"),
            ("libx264", "gray10le"),
            ("libx264", "yuv444p"),
            ("ffv1", "yuv422p16le"),
            ("ffv1", "gray16le"),
            ("ffv1", "bgra"),
            ("mjpeg", "yuvj422p"),
        ],
    )
    def test_pixel_formats(
        self, tmp_path: Path, make_video: Make, codec: str, pix_fmt: str
    ) -> None:
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[:, 32:64] = 128
        picture[:, 64:] = 255
        path = make_video(tmp_path / "a.mkv", [picture] * 3, codec=codec, pix_fmt=pix_fmt)
        frames = list(open_it(path).frames())
        assert len(frames) == 3
        for array in (frames[0].picture.gray(96, 64), frames[0].picture.rgb(96, 64)):
            assert array.dtype == np.uint8
            shades = [float(array[:, at : at + 16].mean()) for at in (8, 40, 72)]
            assert shades == pytest.approx([0, 128, 255], abs=6)

    @pytest.mark.parametrize("size", [(1, 1), (16_384, 16), (16, 16_384)])
    def test_sizes_that_nobody_expects(
        self, tmp_path: Path, make_video: Make, size: tuple[int, int]
    ) -> None:
        picture = np.full((size[1], size[0], 3), 128, np.uint8)
        path = make_video(tmp_path / "a.nut", [picture] * 2, codec="ffv1", pix_fmt="bgr0")
        frames = list(open_it(path).frames())
        assert [(f.picture.width, f.picture.height) for f in frames] == [size, size]
        assert np.abs(frames[0].picture.rgb(32, 24).astype(int) - 128).max() <= 2
        assert np.abs(frames[0].picture.gray(64, 48).astype(int) - 128).max() <= 3


# (a, b, c, d) of the matrix in the track header, and where the stored top left corner is shown.
TURNS = {
    0: ((1, 0, 0, 1), "top left"),
    90: ((0, 1, -1, 0), "top right"),
    180: ((-1, 0, 0, -1), "bottom right"),
    270: ((0, -1, 1, 0), "bottom left"),
}


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write the display matrix of an MP4's only track (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    assert data[at] == 0, "the box is of version 0"
    a, b, c, d = (value << 16 for value in matrix)
    data[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


class TestRotation:
    @pytest.fixture(params=TURNS)
    def turned(
        self, request: pytest.FixtureRequest, tmp_path: Path, make_video: Make
    ) -> tuple[Path, str]:
        """96x64 with its stored top left corner bright and red."""
        picture = np.full((64, 96, 3), 30, np.uint8)
        picture[:24, :24] = (250, 60, 60)
        path = make_video(tmp_path / "a.mp4", [picture] * 4)
        matrix, corner = TURNS[request.param]
        turn(path, matrix)
        return path, corner

    def test_the_picture_is_upright(self, turned: tuple[Path, str]) -> None:
        path, corner = turned
        frames = list(open_it(path).frames())
        sideways = corner in ("top right", "bottom left")
        size = (64, 96) if sideways else (96, 64)
        assert {(f.picture.width, f.picture.height) for f in frames} == {size}
        rows = slice(2, 18) if "top" in corner else slice(-18, -2)
        columns = slice(2, 18) if "left" in corner else slice(-18, -2)
        gray, rgb = frames[0].picture.gray(*size), frames[0].picture.rgb(*size)
        assert gray[rows, columns].mean() > 90
        assert gray.mean() < 60
        red, green, _ = rgb[rows, columns].mean((0, 1))
        assert red > 200 > 100 > green

    def test_any_size_can_be_asked_for(self, turned: tuple[Path, str]) -> None:
        frame = next(iter(open_it(turned[0]).frames()))
        assert frame.picture.rgb(31, 17).shape == (17, 31, 3)
        assert frame.picture.gray(17, 31).shape == (31, 17)


@pytest.mark.skipif(not REAL_VIDEOS.is_dir(), reason=f"no real videos in {REAL_VIDEOS}")
class TestRealVideos:
    @pytest.mark.parametrize(
        "name",
        sorted(p.name for p in REAL_VIDEOS.iterdir()) if REAL_VIDEOS.is_dir() else [],
    )
    def test_as_many_frames_as_pyav_decodes(
        self, name: str, decoded_by_pyav: Make, logged: Any
    ) -> None:
        path = REAL_VIDEOS / name
        try:
            plain = len(decoded_by_pyav(path))
        except av.error.FFmpegError:
            plain = 0
        if not plain:
            with pytest.raises(SourceError) as error:
                times_of(open_it(path))
            assert "\n" not in str(error.value)
            return
        times = times_of(open_it(path))
        assert len(times) == plain
        assert increase_strictly(times)
        cut = any("cut off" in warning for warning in logged.warnings)
        assert cut is ("truncated" in name)

    def test_a_phone_held_upright_gives_upright_pictures(self) -> None:
        source = open_it(REAL_VIDEOS / "walk_rot90_metadata.mp4")
        picture = next(iter(source.frames())).picture
        with av.open(source.path) as container:
            stored = next(container.decode(video=0))
        assert (picture.width, picture.height) == (stored.height, stored.width)
        source.close()


def test_images_and_video_of_the_same_pictures_look_alike(
    tmp_path: Path, make_video: Make, texture: Make
) -> None:
    scene = texture(3, 320, 240)
    folder = tmp_path / "images"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "0.png"), cv2.cvtColor(scene, cv2.COLOR_RGB2BGR))
    path = make_video(tmp_path / "a.mkv", [scene], codec="ffv1", pix_fmt="bgr0")
    image, video = (next(iter(open_it(p).frames())).picture for p in (folder, path))
    for size in [(320, 240), (64, 48), (500, 400)]:
        assert np.abs(image.rgb(*size).astype(int) - video.rgb(*size)).mean() < 3
        assert np.abs(image.gray(*size).astype(int) - video.gray(*size)).mean() < 3


@pytest.mark.parametrize("clip", [Clip(), Clip(duration=60)])
def test_frames_before_the_announced_beginning_are_frames_like_any_other(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An edit list, or a first timestamp that is missing, puts them there.
    monkeypatch.setattr(VideoSource, "beginning", property(lambda _: 1.0))
    path = tmp_path / "early.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    encode_video(path, noise, fps=10)
    assert len(times_of(open_it(path, clip=clip))) == 30
    joined = open_concat([str(path)], name="cam", options=SourceOptions(clip=clip))
    assert len(times_of(joined)) == 30
