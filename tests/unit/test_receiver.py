"""Addresses that records are posted to: what they say, and what they tell nobody."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from streamvpr.errors import ConfigError
from streamvpr.sinks.poster import Poster
from streamvpr.sinks.receiver import Receiver, parse_receiver

if TYPE_CHECKING:
    from pathlib import Path


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


@pytest.mark.parametrize(
    ("url", "receiver", "shown"),
    [
        ("https://hooks.lan", Receiver("hooks.lan", 443, True, "/"), "https://hooks.lan"),
        ("HTTP://Hooks.LAN/a", Receiver("hooks.lan", 80, False, "/a"), "http://hooks.lan"),
        ("http://h:81/a?b=c#d", Receiver("h", 81, False, "/a?b=c"), "http://h:81"),
        ("http://[::1]:8080/a", Receiver("::1", 8080, False, "/a"), "http://[::1]:8080"),
        (
            "http://h/a b/ü%20?q=ö",
            Receiver("h", 80, False, "/a%20b/%C3%BC%20?q=%C3%B6"),
            "http://h",
        ),
        ("https://me:p@w@h/x", Receiver("h", 443, True, "/x", basic("me:p@w")), "https://h"),
        ("https://me@h/x", Receiver("h", 443, True, "/x", basic("me:")), "https://h"),
    ],
)
def test_what_an_address_says(url: str, receiver: Receiver, shown: str) -> None:
    assert parse_receiver(url) == receiver
    assert str(receiver) == shown


def test_its_text_and_repr_tell_no_secret() -> None:
    receiver = parse_receiver("https://me:hunter2@h:444/T0/hunter2?token=hunter2")
    assert "hunter2" not in f"{receiver} {receiver!r}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "takes an address"),
        ("hooks.lan/hunter2", "takes an address"),
        ("ftp://hooks.lan/hunter2", "takes an address"),
        ("https:///hunter2", "names no host"),
        ("https://me:hunter2", "no number from 1 to 65535"),
        ("https://h:0/hunter2", "no number from 1 to 65535"),
        ("https://a..b/hunter2", "'a..b' is no name of a host"),
        ("https://h/\udcff", "write http"),
    ],
)
def test_what_is_no_address(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_receiver(url)
    assert why in str(caught.value)
    assert "write http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_login_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "logins"
    file.write_text("machine hooks.lan login me password p@w\n")
    assert parse_receiver("https://hooks.lan/x", file).authorization == basic("me:p@w")
    assert parse_receiver("https://other.lan/x", file).authorization is None


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://proxy.lan:1080", "is of socks5:// and not of http://"),
        ("https://me:hunter2@proxy.lan", "is of https:// and not of http://"),
        ("http://me:hunter2@", "names no host"),
    ],
)
def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, proxy: str, why: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    receiver = parse_receiver("https://hooks.lan/x")
    with pytest.raises(ConfigError) as caught:
        Poster(receiver, {})
    assert why in str(caught.value)
    assert "hunter2" not in str(caught.value)
    monkeypatch.setenv("no_proxy", "hooks.lan")
    Poster(receiver, {})
