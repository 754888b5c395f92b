"""What is opened by what name, and what cannot be opened at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from streamvpr.errors import ConfigError, SourceError, SourceLost, SourceOpenError
from streamvpr.sources import (
    Clip,
    LiveSource,
    SourceOptions,
    name_sources,
    open_concat,
    open_source,
    split_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]


def open_it(path: Path, **options: Any) -> Any:
    return open_source(str(path), name="cam", options=SourceOptions(**options))


def is_one_line_that_names(path: Path, error: pytest.ExceptionInfo[SourceError]) -> bool:
    message = str(error.value)
    return "\n" not in message and str(path) in message and error.value.url == str(path)


class TestNames:
    def test_a_given_name_stands_before_the_source(self) -> None:
        assert name_sources(["left=a.mp4", "right=b.mp4"]) == [
            ("left", "a.mp4"),
            ("right", "b.mp4"),
        ]

    def test_a_file_is_named_by_its_stem_and_a_folder_by_its_name(self, tmp_path: Path) -> None:
        folder = tmp_path / "photos.2024"
        folder.mkdir()
        sources = ["/some/where/flight.one.mp4", str(folder), f"{folder}/"]
        named = [name for name, _ in name_sources(sources)]
        assert named == ["flight.one", "photos.2024", "photos.2024-2"]

    def test_the_current_folder_is_named_as_it_is_called(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "shots"
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert name_sources(["."]) == [("shots", ".")]

    def test_two_of_one_name_get_numbers(self) -> None:
        named = name_sources(["a.mp4", "x/a.mp4", "a=b.mp4", "y/a.mkv"])
        assert [name for name, _ in named] == ["a", "a-2", "a-3", "a-4"]

    def test_a_number_that_is_taken_is_passed_over(self) -> None:
        named = name_sources(["a-2.mp4", "a.mp4", "x/a.mp4", "y/a.mp4"])
        assert [name for name, _ in named] == ["a-2", "a", "a-3", "a-4"]

    def test_a_path_that_exists_is_never_split(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "take=2.mp4").touch()
        assert split_name("take=2.mp4") == (None, "take=2.mp4")
        assert name_sources(["take=2.mp4"]) == [("take=2", "take=2.mp4")]
        assert name_sources(["cam=take=2.mp4"]) == [("cam", "take=2.mp4")]

    @pytest.mark.parametrize("source", ["rtsp://host/a?b=c", "/a=b/c.mp4", "=a.mp4", "a="])
    def test_an_equals_sign_elsewhere_names_nothing(self, source: str) -> None:
        assert split_name(source) == (None, source)


class TestNothingToOpen:
    def test_no_such_file(self, tmp_path: Path) -> None:
        path = tmp_path / "missing.mp4"
        with pytest.raises(SourceOpenError, match="No such file") as error:
            open_it(path)
        assert is_one_line_that_names(path, error)

    def test_an_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(SourceOpenError, match="empty") as error:
            open_it(path)
        assert is_one_line_that_names(path, error)

    @pytest.mark.parametrize(
        "content",
        [b"\x00" * 5000, b"<html>404</html>" * 50, np.random.default_rng(0).bytes(20_000)],
        ids=["zeros", "text", "noise"],
    )
    @pytest.mark.parametrize("name", ["junk.mp4", "junk.ts", "junk"])
    def test_a_file_that_is_no_video(self, tmp_path: Path, content: bytes, name: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(SourceError) as error:
            list(open_it(path).frames())
        assert is_one_line_that_names(path, error)

    def test_an_mp4_without_its_index(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        path = make_video(tmp_path / "a.mp4", map(numbered, range(12)))
        data = path.read_bytes()
        path.write_bytes(data[: data.index(b"moov") - 4])
        with pytest.raises(SourceOpenError, match=r"index \(moov\) is missing") as error:
            open_it(path)
        assert is_one_line_that_names(path, error)

    def test_only_audio(self, tmp_path: Path) -> None:
        path = tmp_path / "speech.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(SourceOpenError, match=r"no video.*audio") as error:
            open_it(path)
        assert is_one_line_that_names(path, error)

    def test_a_folder_without_images(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no image")
        with pytest.raises(SourceOpenError, match="no images") as error:
            open_it(tmp_path)
        assert is_one_line_that_names(tmp_path, error)

    def test_a_folder_of_unreadable_images_only(self, tmp_path: Path) -> None:
        for index in range(3):
            (tmp_path / f"{index}.jpg").write_bytes(b"no image")
        source = open_it(tmp_path)
        with pytest.raises(SourceLost, match="none of the 3 images") as error:
            list(source.frames())
        assert is_one_line_that_names(tmp_path, error)

    def test_a_url_that_nobody_serves_fails_without_its_password(self) -> None:
        with pytest.raises(SourceOpenError, match="http://user:") as error:
            open_source("http://user:secret@127.0.0.1:1/a.mp4", name="cam")
        assert "secret" not in str(error.value) + error.value.url

    def test_a_stream_is_connected_to_later_and_shown_without_its_password(self) -> None:
        source = open_source("rtsp://user:secret@host/a", name="cam")
        assert isinstance(source, LiveSource)
        assert source.path == "rtsp://user:***@host/a"
        source.close()

    def test_a_name_with_a_colon_is_a_file_and_no_protocol(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_video: Make, numbered: Make
    ) -> None:
        made = make_video(tmp_path / "a.mp4", map(numbered, range(3)))
        made.rename(tmp_path / "concat:b.mp4")
        monkeypatch.chdir(tmp_path)
        source = open_source("concat:b.mp4", name="cam")
        assert sum(1 for _ in source.frames()) == 3


class TestOptionsThatMakeNoSense:
    @pytest.mark.parametrize("clip", [Clip(start=1), Clip(duration=2)])
    def test_images_have_no_time_to_cut_by(self, tmp_path: Path, clip: Clip) -> None:
        with pytest.raises(ConfigError, match="stream time"):
            open_it(tmp_path, clip=clip)

    def test_images_have_no_video_track(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--video-stream 0"):
            open_it(tmp_path, video_stream=0)

    def test_a_folder_is_no_part_of_a_recording(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--concat"):
            open_concat([str(tmp_path)], name="cam")

    def test_a_missing_part_of_a_recording(
        self, tmp_path: Path, make_video: Make, numbered: Make
    ) -> None:
        first = make_video(tmp_path / "a.mp4", map(numbered, range(3)))
        with pytest.raises(SourceOpenError, match="No such file"):
            open_concat([str(first), str(tmp_path / "b.mp4")], name="cam")
