"""What a SOURCE on the command line names: its kind, its name, and what is shown of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvpr.sources import name_sources
from streamvpr.sources.address import Kind, parse_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("a.mp4", Kind.FILE),
        ("concat:b.mp4", Kind.FILE),
        ("file:///videos/a.mp4", Kind.FILE),
        ("-", Kind.STANDARD_INPUT),
        ("pipe:", Kind.STANDARD_INPUT),
        ("pipe:0", Kind.STANDARD_INPUT),
        ("/dev/stdin", Kind.STANDARD_INPUT),
        ("/dev/video0", Kind.DEVICE),
        ("/dev/video12", Kind.DEVICE),
        ("/dev/v4l/by-id/usb-046d_C920-video-index0", Kind.DEVICE),
        ("/dev/videos/a.mp4", Kind.FILE),
        ("http://host/a", Kind.WEB),
        ("HTTPS://host/a", Kind.WEB),
        ("rtsp://host/a", Kind.STREAM),
        ("rtsps://host/a", Kind.STREAM),
        ("udp://@239.0.0.1:1234", Kind.STREAM),
        ("srt://host:9000", Kind.STREAM),
        ("tcp://host:9000", Kind.STREAM),
        ("rtmp://host/live/key", Kind.STREAM),
    ],
)
def test_the_kind_is_told_by_how_it_is_written(source: str, kind: Kind) -> None:
    assert parse_address(source).kind is kind


def test_a_folder_is_one_where_it_is_there(tmp_path: Path) -> None:
    assert parse_address(str(tmp_path)).kind is Kind.FOLDER
    assert parse_address(f"file://{tmp_path}").kind is Kind.FOLDER
    assert parse_address(str(tmp_path / "missing")).kind is Kind.FILE


def test_a_file_url_is_the_path_in_it() -> None:
    address = parse_address("file:///videos/a.mp4")
    assert (address.url, address.shown, address.scheme) == ("/videos/a.mp4",) * 2 + ("",)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/videos/flight.one.mp4", "flight.one"),
        ("-", "stdin"),
        ("http://host/videos/lap.mp4", "lap"),
        ("https://host/lap.MKV?token=1", "lap"),
        ("http://host/live", None),
        ("http://host/live.m3u8", None),
        ("http://host", None),
        ("rtsp://host/lap.mp4", None),
        ("/dev/video0", None),
    ],
)
def test_a_stream_is_named_by_its_stem_where_it_has_one(source: str, name: str | None) -> None:
    assert parse_address(source).default_name == name


def test_cameras_without_a_name_are_counted_and_others_are_not() -> None:
    sources = [
        "rtsp://a/x",
        "door=rtsp://b/x",
        "a.mp4",
        "/dev/video0",
        "-",
        "cam1=udp://:1",
        "udp://:2",
    ]
    named = name_sources(sources)
    assert [name for name, _ in named] == ["cam0", "door", "a", "cam1", "stdin", "cam1-2", "cam2"]
    assert [source for _, source in named][:3] == ["rtsp://a/x", "rtsp://b/x", "a.mp4"]


def test_a_name_may_stand_before_anything() -> None:
    sources = ["a=rtsp://u:p=w@host/x?y=z", "b=-", "c=/dev/video0", "d=http://host/a.mp4"]
    assert name_sources(sources) == [
        ("a", "rtsp://u:p=w@host/x?y=z"),
        ("b", "-"),
        ("c", "/dev/video0"),
        ("d", "http://host/a.mp4"),
    ]


@pytest.mark.parametrize(
    ("source", "scheme", "host"),
    [
        ("rtsp://u:p@Cam.local:554/a", "rtsp", "cam.local"),
        ("RTSP://10.0.0.7/a", "rtsp", "10.0.0.7"),
        ("rtsp://[::1]:554/a", "rtsp", "::1"),
        ("udp://@239.0.0.1:1234", "udp", "239.0.0.1"),
        ("udp://:1234", "udp", None),
        ("rtsp://[::1/a", "rtsp", None),
        ("a.mp4", "", None),
        ("/dev/video0", "", None),
        ("-", "", None),
    ],
)
def test_scheme_and_host(source: str, scheme: str, host: str | None) -> None:
    address = parse_address(source)
    assert (address.scheme, address.host) == (scheme, host)


def test_neither_what_is_shown_nor_what_is_printed_of_it_has_the_password() -> None:
    address = parse_address("rtsp://me:s3cr3t@host/a?token=t0k3n")
    assert address.shown == "rtsp://me:***@host/a?token=***"
    for text in (repr(address), str(address), f"{address}"):
        assert "s3cr3t" not in text
        assert "t0k3n" not in text


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_written_names_something(text: str) -> None:
    for source in (text, f"rtsp://{text}", f"http://{text}", f"file://{text}"):
        address = parse_address(source)
        assert isinstance(address.kind, Kind)
        assert address.host is None or address.scheme
        assert address.default_name != ""
        address.is_served_file  # noqa: B018 - raises nothing
