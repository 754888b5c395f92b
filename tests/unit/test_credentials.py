"""Passwords: filled in where they are asked for, and seen by nobody."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamvpr.credentials import encode_userinfo, fill_in, redact, redact_arguments
from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:secret@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:secret@host:554/live?a=b", "rtsp://user:***@host:554/live?a=b"),
        ("RTSPS://user:secret@host", "RTSPS://user:***@host"),
        ("door=rtsp://user:secret@host/live", "door=rtsp://user:***@host/live"),
        ("rtsp://user:@host/live", "rtsp://user:***@host/live"),
        ("rtsp://:secret@host/live", "rtsp://:***@host/live"),
        ("rtsp://user@host/live", "rtsp://user@host/live"),
        ("rtsp://user:p%40ss%2F@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:s3:cr3t@host/live", "rtsp://user:***@host/live"),
        ("rtsp://domain\\user:secret@host/live", "rtsp://domain\\user:***@host/live"),
        ("rtsp://u:p@[::1]:554/x", "rtsp://u:***@[::1]:554/x"),
        ("http://${USER}:${PASSWORD}@host/a", "http://${USER}:***@host/a"),
    ],
)
def test_the_password_of_an_address_is_not_shown(source: str, shown: str) -> None:
    assert redact(source) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://user:p@ss@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:@@@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:se/cret@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:/secret@host:554/live", "rtsp://user:***@host:554/live"),
        ("rtsp://:se/cret@host/live", "rtsp://:***@host/live"),
        ("rtsp://user:1secret/2@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:what?#@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:sec]/ret@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:a://b@host/live", "rtsp://user:***@host/live"),
        ("rtsp://user:p@ss/word@host/live", "rtsp://user:***@host/live"),
    ],
)
def test_nor_one_that_should_have_been_encoded(source: str, shown: str) -> None:
    assert redact(source) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("http://host/a.mp4?token=secret", "http://host/a.mp4?token=***"),
        ("http://host/a?user=me&password=secret&c=1", "http://host/a?user=me&password=***&c=1"),
        ("http://host/a?usr=me&pwd=secret", "http://host/a?usr=me&pwd=***"),
        ("http://host/a?loginuse=me&loginpas=secret", "http://host/a?loginuse=me&loginpas=***"),
        ("http://host/a?PASSWORD=secret", "http://host/a?PASSWORD=***"),
        ("http://host/a?authToken=secret", "http://host/a?authToken=***"),
        ("http://host/a?access_token=secret", "http://host/a?access_token=***"),
        ("http://host/a?X-Amz-Signature=secret&x=1", "http://host/a?X-Amz-Signature=***&x=1"),
        ("http://host/a?se=2025&sig=secret", "http://host/a?se=2025&sig=***"),
        ("http://host/a?key=secret", "http://host/a?key=***"),
        ("http://host/a?password=sec/ret", "http://host/a?password=***"),
        (
            "rtsp://host/user=me&password=secret&channel=1",
            "rtsp://host/user=me&password=***&channel=1",
        ),
        (
            "srt://host:9000?passphrase=secret12&mode=caller",
            "srt://host:9000?passphrase=***&mode=caller",
        ),
        ("rtsp://u:secret@host/a?token=secret", "rtsp://u:***@host/a?token=***"),
    ],
)
def test_nor_one_that_is_a_parameter(source: str, shown: str) -> None:
    assert redact(source) == shown != source


def test_nor_one_between_underscores() -> None:
    shown = redact("rtsp://host:554/user=me_password=secret_channel=1_stream=0.sdp")
    assert shown.startswith("rtsp://host:554/user=me_password=***")
    assert "secret" not in shown


@pytest.mark.parametrize(
    "source",
    [
        "a.mp4",
        "-",
        "/dev/video0",
        "/home/me@work/password=1/a.mp4",
        "C:\\videos\\a@b.mp4",
        "door=a.mp4",
        "udp://@239.0.0.1:1234",
        "udp://@239.0.0.1:1234?localaddr=10.0.0.2",
        "udp://:1234",
        "rtsp://host:554/a@b",
        "rtsp://host/a@b",
        "rtsp://host/a:b@c",
        "rtsp://[::1]/a@b",
        "rtsp://[fe80::1]:554/a@b",
        "http://host/a.mp4?time=1&keyframes=2",
        "rtsp://user@host/live",
        "",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(source: str) -> None:
    assert redact(source) == source


raw = "".join(c for c in string.printable if c not in string.whitespace) + "äß東"
# A raw slash in the user's name makes it a host; a password such as 12/34 makes a port before it.
users = st.text("".join(c for c in raw if c not in "/?#@:"), max_size=8)
passwords = st.text(raw, min_size=3, max_size=12)
places = st.sampled_from(
    ["host/live", "host:554/live", "10.0.0.7:8554", "[::1]:554/x", "cam.local/a?b=c&d=e"]
)
schemes = st.sampled_from(["rtsp", "rtsps", "http", "udp", "door=rtsp"])


@given(scheme=schemes, user=users, password=passwords, place=places)
@settings(deadline=None, derandomize=True, max_examples=500)
def test_an_encoded_password_is_never_shown(
    scheme: str, user: str, password: str, place: str
) -> None:
    encoded = quote(password, safe="")
    assume(encoded not in f"{scheme}://{quote(user)}:@{place}***")
    shown = redact(f"{scheme}://{quote(user)}:{encoded}@{place}")
    assert encoded not in shown
    assert shown.endswith(f":***@{place}")


@given(scheme=schemes, user=users, password=passwords, place=places)
@settings(deadline=None, derandomize=True, max_examples=1000)
def test_nor_is_a_raw_one(scheme: str, user: str, password: str, place: str) -> None:
    assume(password not in f"{scheme}://{user}:***@{place}")
    assume(not is_ambiguous(password))
    assume(not user.startswith("["))
    shown = redact(f"{scheme}://{user}:{password}@{place}")
    assert password not in shown
    assert shown == f"{scheme}://{user}:***@{place}"


def is_ambiguous(password: str) -> bool:
    """Whether what stands before its first slash could be a port."""
    return re.match(r"\d+[/?#]", password) is not None


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        ("rtsp://me:p@ss@host/a", "rtsp://me:p%40ss@host/a"),
        ("rtsp://me:pa/ss@host:554/a@b", "rtsp://me:pa%2Fss@host:554/a@b"),
        ("rtsp://me:p%40ss@host/a", "rtsp://me:p%40ss@host/a"),
        ("rtsp://${USER}:${PASSWORD}@host/a", "rtsp://${USER}:${PASSWORD}@host/a"),
        ("rtsp://host:554/a@b", "rtsp://host:554/a@b"),
        ("rtsp://[::1]:554/a", "rtsp://[::1]:554/a"),
        ("udp://@239.0.0.1:1234", "udp://@239.0.0.1:1234"),
        ("a@b.mp4", "a@b.mp4"),
    ],
)
def test_a_password_that_was_pasted_as_it_is_gets_encoded(url: str, encoded: str) -> None:
    assert encode_userinfo(url) == encoded
    assert encode_userinfo(encoded) == encoded


@given(user=users, password=passwords, place=places)
@settings(deadline=None, derandomize=True, max_examples=500)
def test_what_was_encoded_is_the_password_that_was_meant(
    user: str, password: str, place: str
) -> None:
    assume("%" not in user + password)
    # Nobody can tell what these mean.
    assume(not is_ambiguous(password))
    assume(re.search(r"@[^@:/?#\[\]]+(:\d+)?[/?#]", password) is None)
    assume(re.search(r"@\[[0-9A-Fa-f:.%]+\](:\d+)?[/?#]", password) is None)
    assume(not user.startswith("["))
    parts = urlsplit(encode_userinfo(f"rtsp://{user}:{password}@{place}"))
    assert unquote(parts.username or "") == user
    assert unquote(parts.password or "") == password
    assert parts.netloc.rpartition("@")[2] == re.split("[/?]", place)[0]


@given(text=st.text(max_size=40))
@settings(deadline=None, derandomize=True, max_examples=500)
def test_whatever_comes_can_be_shown_and_is_shown_alike_the_second_time(text: str) -> None:
    for source in (text, f"rtsp://{text}", f"http://u:p@{text}"):
        assert redact(redact(source)) == redact(source)


class TestVariables:
    def test_they_are_filled_in_and_encoded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CAM_USER", "me")
        monkeypatch.setenv("CAM_PASSWORD", "p@ss/w:rd?#% ä")
        url = fill_in("rtsp://${CAM_USER}:${CAM_PASSWORD}@host:554/live", None)
        assert url == "rtsp://me:p%40ss%2Fw%3Ard%3F%23%25%20%C3%A4@host:554/live"

    def test_an_empty_one_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CAM_PASSWORD", "")
        assert fill_in("rtsp://me:${CAM_PASSWORD}@host", None) == "rtsp://me:@host"

    def test_one_that_is_not_set_is_an_error_that_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CAM_PASSWORD", raising=False)
        with pytest.raises(ConfigError, match="CAM_PASSWORD"):
            fill_in("rtsp://me:${CAM_PASSWORD}@host/live", None)

    def test_behind_the_login_a_dollar_is_a_dollar(self) -> None:
        for url in ("rtsp://me:pw@host/${NOT_SET}", "rtsp://host/${NOT_SET}", "${NOT_SET}.mp4"):
            assert fill_in(url, None) == url

    def test_a_login_that_is_written_out_is_left_alone(self) -> None:
        for url in ("rtsp://me:p%40ss$@host/a", "rtsp://me:p@ss@host/a", "udp://@239.0.0.1:1234"):
            assert fill_in(url, None) == url


class TestNetrc:
    @pytest.fixture
    def logins(self, tmp_path: Path) -> Path:
        path = tmp_path / "logins"
        path.write_text(
            "# cameras\n"
            'machine door.local login me password "p@ss w/rd"\n'
            "machine 10.0.0.7\n  login admin\n  password s3cr3t\n"
            "machine ::1 login six password seven\n"
        )
        return path

    @pytest.mark.parametrize(
        ("url", "filled"),
        [
            ("rtsp://door.local/live", "rtsp://me:p%40ss%20w%2Frd@door.local/live"),
            ("rtsp://DOOR.local:554/live", "rtsp://me:p%40ss%20w%2Frd@DOOR.local:554/live"),
            ("http://10.0.0.7:80/a?b=c", "http://admin:s3cr3t@10.0.0.7:80/a?b=c"),
            ("rtsp://[::1]:554/a", "rtsp://six:seven@[::1]:554/a"),
            ("rtsp://elsewhere/live", "rtsp://elsewhere/live"),
            ("rtsp://other:login@door.local/live", "rtsp://other:login@door.local/live"),
            ("udp://@239.0.0.1:1234", "udp://@239.0.0.1:1234"),
            ("udp://:1234", "udp://:1234"),
            ("/dev/video0", "/dev/video0"),
        ],
    )
    def test_a_host_has_its_login(self, logins: Path, url: str, filled: str) -> None:
        assert fill_in(url, logins) == filled

    def test_a_default_is_for_all_others(self, logins: Path) -> None:
        logins.write_text(logins.read_text() + "default login guest password guest\n")
        assert fill_in("rtsp://elsewhere/live", logins) == "rtsp://guest:guest@elsewhere/live"
        assert fill_in("rtsp://10.0.0.7/a", logins) == "rtsp://admin:s3cr3t@10.0.0.7/a"

    def test_what_is_no_address_has_none(self, logins: Path) -> None:
        assert fill_in("rtsp://[::1/a", logins) == "rtsp://[::1/a"

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        for path in (tmp_path / "missing", tmp_path):
            with pytest.raises(ConfigError, match=f"--credentials {path}"):
                fill_in("rtsp://host/live", path)

    @pytest.mark.parametrize(
        "content",
        [
            b"machine host login me passwort s3cr3t\n",
            b"s3cr3t\n",
            b"machine host login me password s3cr3t extra\n",
            b"machine host login me password s3cr3t\xff\xfe machine\n",
        ],
    )
    def test_one_that_is_garbled_is_named_and_its_passwords_are_not(
        self, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "logins"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="logins") as error:
            fill_in("rtsp://elsewhere/live", path)
        assert "s3cr3t" not in str(error.value)
        assert "\n" not in str(error.value)
        assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["run", "rtsp://me:pw@h/live"], ["run", "rtsp://me:***@h/live"]),
        (["--mqtt", "mqtt://me:pw@h/t"], ["--mqtt", "mqtt://me:***@h/t"]),
        (["--mqtt=mqtt://me:pw@h/t"], ["--mqtt=mqtt://me:***@h/t"]),
        (["--webhook", "https://h/secret?a=b"], ["--webhook", "https://h/***"]),
        (["--webhook=https://me:pw@h:81/secret"], ["--webhook=https://h/***"]),
        (["--webhook", "secret"], ["--webhook", "***"]),
        (["--webhook"], ["--webhook"]),
        (["run", "a.mp4", "--fps", "2"], ["run", "a.mp4", "--fps", "2"]),
    ],
)
def test_a_command_line_as_everybody_may_see_it(arguments: list[str], shown: list[str]) -> None:
    assert redact_arguments(arguments) == shown
