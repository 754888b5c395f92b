"""Footage that knows where it was taken, through its sources."""

from __future__ import annotations

import io
import logging
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from streamvpr.frames import Position
from streamvpr.sources import Clip, Decoding, SourceOptions, VideoSource, open_concat, open_source
from streamvpr.sources.data_track import DataTrack
from streamvpr.sources.opening import Opening

from ..gopro import gps5, gps9, make_gopro

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

FPS = 10
NORTH_A_SECOND = 0.001
NOON = 1_748_779_200.0  # 2025-06-01T12:00:00Z


def walked(second: float) -> float:
    """Latitude after so many seconds of walking north."""
    return 47 + NORTH_A_SECOND * second


def payloads(seconds: int, **said: Any) -> list[bytes]:
    """Eighteen fixes a second of somebody who walks north, as a HERO5 writes them."""
    return [
        gps5(
            [(walked(second + n / 18), 8.5, 400.0) for n in range(18)],
            clock=f"2506011200{second:02}.000".encode(),
            **said,
        )
        for second in range(seconds)
    ]


def open_it(path: Path, **options: Any) -> Any:
    return open_source(str(path), name="cam", options=SourceOptions(**options))


def latitudes(source: Any) -> list[tuple[float, float | None]]:
    """Time and latitude of each frame of a source, which is closed then."""
    try:
        return [
            (frame.time, None if frame.position is None else frame.position.latitude)
            for frame in source.frames()
        ]
    finally:
        source.close()


def assert_walked(found: list[tuple[float, float | None]], count: int, *, late: float = 0) -> None:
    """That so many frames are where they should be, but for the rounding of fixes."""
    assert len(found) == count
    for time, latitude in found:
        assert latitude == pytest.approx(walked(time - late), abs=1e-6)


@pytest.fixture
def gopro(tmp_path: Path, numbered: Make) -> Make:
    def make(
        data: list[bytes], *, name: str = "GX010001.MP4", seconds: int = 4, first: int = 0
    ) -> Path:
        numbers = range(first, first + seconds * FPS)
        return make_gopro(tmp_path / name, (numbered(n % 64) for n in numbers), data, fps=FPS)

    return make


class TestGoPro:
    def test_every_frame_lies_between_two_fixes(self, gopro: Make) -> None:
        path = gopro(payloads(5))
        assert_walked(latitudes(open_it(path)), 40)
        frames = list(open_it(path).frames())
        assert [frame.taken for frame in frames] == pytest.approx(
            [NOON + n / FPS for n in range(40)], abs=2e-3
        )
        assert {round(frame.position.altitude, 3) for frame in frames} == {400}

    def test_the_newer_kind_of_fixes(self, gopro: Make) -> None:
        data = [
            gps9(
                [
                    (walked(s + n / 10), 8.5, 400.0, 9283, 43_200 + s + n / 10, 1.5, 3)
                    for n in range(10)
                ]
            )
            for s in range(5)
        ]
        found = list(open_it(gopro(data)).frames())
        assert [frame.position.latitude for frame in found] == pytest.approx(
            [walked(n / FPS) for n in range(40)], abs=1e-6
        )
        assert [frame.taken for frame in found] == pytest.approx(
            [NOON + n / FPS for n in range(40)], abs=2e-3
        )

    @pytest.mark.parametrize("start", [0.5, 2.0, 8.3])
    def test_a_clip_has_the_places_of_its_time(self, gopro: Make, start: float) -> None:
        path = gopro(payloads(13), seconds=12)
        found = latitudes(open_it(path, clip=Clip(start=start, duration=2.0)))
        assert found[0][0] == pytest.approx(start)
        assert_walked(found, 20)

    def test_keyframes_alone_have_theirs(self, gopro: Make) -> None:
        found = latitudes(open_it(gopro(payloads(13), seconds=12), decoding=Decoding.KEYFRAMES))
        assert_walked(found, len(found))

    def test_each_file_of_a_recording_has_its_own_track(self, gopro: Make) -> None:
        paths = [
            str(gopro(payloads(4), name="GX010001.MP4")),
            str(gopro(payloads(5), name="GX020001.MP4", first=40)),
        ]
        found = latitudes(open_concat(paths, name="c"))
        assert_walked(found[:40], 40)
        assert_walked(found[40:], 40, late=4)

    def test_a_receiver_that_loses_its_fix_is_somewhere_unknown(self, gopro: Make) -> None:
        data = payloads(12)
        data[4:9] = payloads(9, fix=0)[4:9]
        found = dict(latitudes(open_it(gopro(data, seconds=12))))
        unknown = [time for time, latitude in found.items() if latitude is None]
        assert unknown == pytest.approx([n / FPS for n in range(50, 80)])
        assert found[4.5] == pytest.approx(walked(3 + 17 / 18), abs=1e-6)

    def test_without_any_fix_there_is_one_line_of_it(self, gopro: Make, logged: Any) -> None:
        logging.getLogger("streamvpr").setLevel(logging.INFO)
        path = gopro(payloads(4, fix=0))
        assert {latitude for _, latitude in latitudes(open_it(path))} == {None}
        (record,) = logged.records
        assert record.getMessage() == f"{path}: its GoPro track holds no position of these pictures"

    @pytest.mark.parametrize("seed", range(4))
    def test_damage_in_its_track_costs_no_frame(self, gopro: Make, seed: int) -> None:
        chance = np.random.default_rng(seed)
        data = [chance.bytes(int(chance.integers(1, 400))) for _ in range(5)]
        data[2] = payloads(3)[2]
        found = latitudes(open_it(gopro(data)))
        assert len(found) == 40
        assert_walked([(t, lat) for t, lat in found if 2 <= t < 2.9], 9)

    def test_a_file_that_is_cut_off_keeps_those_before_the_cut(
        self, tmp_path: Path, gopro: Make
    ) -> None:
        source = gopro(payloads(13), seconds=12)
        with av.open(str(source)) as container:
            packets = [p for p in container.demux(container.streams.data[0]) if p.size]
        whole = tmp_path / "front.mp4"
        move_index_to_the_front(source, whole)
        data = whole.read_bytes()
        at = data.index(bytes(packets[6]))
        whole.write_bytes(data[:at])
        found = latitudes(open_it(whole))
        assert len(found) >= 40
        assert_walked([pair for pair in found if pair[0] < 5], 50)

    def test_its_track_is_read_and_the_pictures_are_not_read_twice(self, tmp_path: Path) -> None:
        counter = Path("/proc/self/io")
        if not counter.exists():
            pytest.skip("this system does not count what is read")

        def read() -> int:
            return int(counter.read_text().split()[1])

        path = tmp_path / "large.mp4"
        write_noise(path, payloads(20), seconds=20)
        before = read()
        track = DataTrack(Opening(f"file:{path}", str(path)), 1)
        assert len(list(track.packets())) == 20
        track.close()
        assert read() - before < path.stat().st_size / 10

    def test_what_is_read_once_has_no_places(self, gopro: Make) -> None:
        path = gopro(payloads(5))
        source = VideoSource(Opening(f"file:{path}", "a"), name="c", on_disk=False)
        assert {latitude for _, latitude in latitudes(source)} == {None}


def move_index_to_the_front(path: Path, target: Path) -> None:
    """Remux it so that a file that is cut off still says what it holds."""
    with (
        av.open(str(path)) as source,
        av.open(str(target), "w", options={"movflags": "faststart"}) as container,
    ):
        video = container.add_stream_from_template(source.streams.video[0])
        track = container.add_data_stream("bin_data")
        track.time_base = Fraction(1, 1000)
        for packet in source.demux():
            if packet.size:
                packet.stream = video if packet.stream.type == "video" else track
                container.mux(packet)


def write_noise(path: Path, data: list[bytes], *, seconds: int) -> None:
    """Pictures that take 100 times as much room as the track beside them."""
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    jpeg = bytes(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
    with av.open(str(path), "w") as container:
        video = container.add_stream("mjpeg", rate=FPS)
        video.height, video.width, video.pix_fmt = 360, 640, "yuvj420p"
        track = container.add_data_stream("bin_data")
        track.time_base = Fraction(1, 1000)
        for index in range(seconds * FPS):
            packet = av.Packet(jpeg)
            packet.stream, packet.time_base = video, Fraction(1, FPS)
            packet.pts = packet.dts = index
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
            if index % FPS == FPS - 1:
                packet = av.Packet(data[index // FPS])
                packet.stream, packet.time_base = track, Fraction(1, 1000)
                packet.pts = packet.dts = index // FPS * 1000
                packet.duration = 1000
                container.mux(packet)


def cues(seconds: int, every: float = 1.0) -> str:
    """Subtitles as a Mavic 3 writes them, of a drone that flies north."""
    said = []
    for number in range(round(seconds / every)):
        at = number * every
        begin, end = (f"00:00:{t:06.3f}".replace(".", ",") for t in (at, at + every))
        said.append(
            f'{number + 1}\n{begin} --> {end}\n<font size="28">FrameCnt: {number + 1}\n'
            f"2025-06-01 14:00:00.000\n[iso: 100] [latitude: {walked(at):.6f}] "
            "[longitude: 8.500000] [rel_alt: 1.371 abs_alt: 400.000] </font>\n"
        )
    return "\n".join(said)


class TestDji:
    @pytest.fixture
    def flown(self, tmp_path: Path, make_video: Make, numbered: Make) -> Path:
        return make_video(tmp_path / "DJI_0001.MP4", map(numbered, range(40)), fps=FPS)

    @pytest.mark.parametrize("every", [1.0, 0.1])
    @pytest.mark.parametrize("ending", [".SRT", ".srt"])
    def test_every_frame_lies_between_two_cues(
        self, flown: Path, ending: str, every: float
    ) -> None:
        flown.with_suffix(ending).write_text(cues(5, every))
        assert_walked(latitudes(open_it(flown)), 40)
        frame = next(iter(open_it(flown).frames()))
        assert (frame.position, frame.taken) == (Position(47, 8.5, 400), None)

    def test_a_clip_has_the_places_of_its_time(self, flown: Path) -> None:
        flown.with_suffix(".SRT").write_text(cues(5))
        assert_walked(latitudes(open_it(flown, clip=Clip(start=1.7, duration=1.0))), 10)

    def test_cues_count_from_where_the_video_begins(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        path = make_video(
            tmp_path / "a.ts",
            map(numbered, range(30)),
            fps=25,
            codec="mpeg2video",
            container_options={"output_ts_offset": "90"},
        )
        path.with_suffix(".SRT").write_text(cues(3))
        found = latitudes(open_it(path))
        assert_walked(found, 30, late=found[0][0])

    def test_each_file_of_a_recording_has_its_own(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        paths = []
        for part in (1, 2):
            path = make_video(tmp_path / f"{part}.mp4", map(numbered, range(20)), fps=FPS)
            path.with_suffix(".srt").write_text(cues(3))
            paths.append(str(path))
        found = latitudes(open_concat(paths, name="c"))
        assert_walked(found[:20], 20)
        assert_walked(found[20:], 20, late=2)

    def test_subtitles_of_a_film_change_nothing(self, flown: Path) -> None:
        flown.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n- Where are we?\n")
        assert {latitude for _, latitude in latitudes(open_it(flown))} == {None}

    def test_a_track_in_the_video_is_believed_before(self, gopro: Make) -> None:
        path = gopro(payloads(5))
        path.with_suffix(".SRT").write_text(cues(5).replace("latitude: 47", "latitude: 10"))
        assert_walked(latitudes(open_it(path)), 40)


class TestImages:
    def write(self, path: Path, number: int, latitude: float | None, numbered: Make) -> None:
        exif = Image.Exif()
        if latitude is not None:
            exif.get_ifd(ExifTags.IFD.GPSInfo).update(
                {
                    ExifTags.GPS.GPSLatitudeRef: "N",
                    ExifTags.GPS.GPSLatitude: (latitude, 0.0, 0.0),
                    ExifTags.GPS.GPSLongitudeRef: "W",
                    ExifTags.GPS.GPSLongitude: (8.5, 0.0, 0.0),
                    ExifTags.GPS.GPSDateStamp: "2025:06:01",
                    ExifTags.GPS.GPSTimeStamp: (12.0, 0.0, float(number)),
                }
            )
        Image.fromarray(numbered(number)).save(path, exif=exif.tobytes(), quality=95)

    def test_each_image_has_its_own_notes(
        self, tmp_path: Path, numbered: Make, number: Make
    ) -> None:
        places = [47.25, None, 47.5, 47.75]
        suffixes = [".jpg", ".jpg", ".tif", ".JPG"]
        for index, (latitude, suffix) in enumerate(zip(places, suffixes, strict=True)):
            self.write(tmp_path / f"{index}{suffix}", index, latitude, numbered)
        frames = list(open_it(tmp_path).frames())
        assert [number(frame.picture.gray(96, 64)) for frame in frames] == [0, 1, 2, 3]
        assert [frame.position and frame.position.latitude for frame in frames] == places
        assert frames[0].position == Position(47.25, -8.5)
        assert [frame.taken for frame in frames] == [NOON, None, NOON + 2, NOON + 3]
        assert {frame.time for frame in frames} == {None}

    def test_a_turned_picture_has_its_place_too(self, tmp_path: Path, numbered: Make) -> None:
        target = io.BytesIO()
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(
            {
                ExifTags.GPS.GPSLatitudeRef: "S",
                ExifTags.GPS.GPSLatitude: (33.5, 0.0, 0.0),
                ExifTags.GPS.GPSLongitudeRef: "E",
                ExifTags.GPS.GPSLongitude: (151.25, 0.0, 0.0),
            }
        )
        Image.fromarray(numbered(1)).save(target, "JPEG", exif=exif.tobytes())
        (tmp_path / "a.jpg").write_bytes(target.getvalue())
        (frame,) = open_it(tmp_path).frames()
        assert (frame.picture.width, frame.picture.height) == (64, 96)
        assert frame.position == Position(-33.5, 151.25)


def test_frames_of_other_sources_have_no_place(source: Any) -> None:
    assert {(frame.position, frame.taken) for frame in source.frames()} == {(None, None)}


def test_times_of_frames_are_those_without_a_track(
    tmp_path: Path, make_video: Make, numbered: Make, gopro: Make
) -> None:
    plain = make_video(tmp_path / "plain.mp4", map(numbered, range(40)), fps=FPS)
    times = [time for time, _ in latitudes(open_it(gopro(payloads(5))))]
    assert times == [time for time, _ in latitudes(open_it(plain))]
    assert all(later > earlier for earlier, later in pairwise(times))
