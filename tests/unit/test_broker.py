"""Addresses of MQTT brokers, and names of streams as levels of a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvpr.errors import ConfigError
from streamvpr.sinks.broker import Broker, as_level, parse_broker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker.lan", Broker("broker.lan", 1883, "streamvpr", False)),
        ("mqtts://broker.lan", Broker("broker.lan", 8883, "streamvpr", True)),
        ("MQTT://Broker.LAN:1884/", Broker("broker.lan", 1884, "streamvpr", False)),
        ("mqtt://h/site/north", Broker("h", 1883, "site/north", False)),
        ("mqtt://h/my%20site/", Broker("h", 1883, "my site", False)),
        ("mqtt://[::1]:1885/a", Broker("::1", 1885, "a", False)),
        ("mqtt://me@h", Broker("h", 1883, "streamvpr", False, "me")),
        ("mqtt://me:pw@h/t", Broker("h", 1883, "t", False, "me", "pw")),
        ("mqtt://me:p%40w%2F@h/t", Broker("h", 1883, "t", False, "me", "p@w/")),
        ("mqtt://me:pw/?#@:x@h:1/t", Broker("h", 1, "t", False, "me", "pw/?#@:x")),
    ],
)
def test_what_an_address_says(url: str, broker: Broker) -> None:
    assert parse_broker(url) == broker


@pytest.mark.parametrize(
    ("broker", "shown"),
    [
        (Broker("h", 1883, "t", False, "me", "pw"), "mqtt://h:1883"),
        (Broker("::1", 1, "t", True), "mqtts://[::1]:1"),
    ],
)
def test_as_it_is_shown(broker: Broker, shown: str) -> None:
    assert str(broker) == shown
    assert "pw" not in repr(broker)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "address of a broker"),
        ("broker.lan", "address of a broker"),
        ("broker.lan:1883", "address of a broker"),
        ("http://broker.lan", "address of a broker"),
        ("://broker.lan", "address of a broker"),
        ("mqtt://", "names no host"),
        ("mqtt:///topic", "names no host"),
        ("mqtt://:1883", "names no host"),
        ("mqtt://h:port", "no number from 1 to 65535"),
        ("mqtt://h:0", "no number from 1 to 65535"),
        ("mqtt://h:65536", "no number from 1 to 65535"),
        ("mqtt://h:-1", "no number from 1 to 65535"),
        ("mqtt://a..b", "'a..b' is no name of a host"),
        ("mqtt://[::1", "write mqtt"),
        ("mqtt://h/a/+/b", "'a/+/b' is no topic"),
        ("mqtt://h/a%23", "'a#' is no topic"),
        ("mqtt://h/a%00", "is no topic"),
        ("mqtt://h/a#b", "no ? and no #"),
        ("mqtt://h/a?b", "no ? and no #"),
        ("mqtt://h/" + "a" * 70_000, "no more than 60000 bytes"),
    ],
)
def test_what_is_no_address(url: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker(url)
    assert why in str(caught.value)
    assert "write mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://me:hunter2@",
        "mqtt://me:hunter2",
        "mqtt://me:hunter2@h:port",
        "mqtt://me:hunter2@h/#",
        "mqtt://me:hunter2@a..b",
        "mqtt:me:hunter2@h",
        "me:hunter2@h",
    ],
)
def test_no_error_tells_a_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_broker(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


class TestLogins:
    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BROKER_PASSWORD", "p@w/:%")
        assert parse_broker("mqtt://me:${BROKER_PASSWORD}@h").password == "p@w/:%"

    def test_of_a_variable_that_is_not_set(self) -> None:
        with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
            parse_broker("mqtt://me:${NOT_SET_ANYWHERE}@h")

    def test_of_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "logins"
        file.write_text("machine broker.lan login me password p@w\n")
        broker = parse_broker("mqtt://broker.lan/t", file)
        assert (broker.user, broker.password) == ("me", "p@w")
        assert parse_broker("mqtt://other.lan", file).user is None
        assert parse_broker("mqtt://you@broker.lan", file).user == "you"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("cam0", "cam0"),
        ("gate/east", "gate%2Feast"),
        ("a+b", "a%2Bb"),
        ("#1", "%231"),
        ("100%", "100%25"),
        ("nul\0", "nul%00"),
        ("two\nlines\x7f", "two%0Alines%7F"),
        ("Zürich 東京", "Zürich 東京"),
        ("\udcff", "%FF"),
    ],
)
def test_a_name_as_a_level(name: str, level: str) -> None:
    assert as_level(name) == level


@given(st.text())
def test_a_level_is_one_and_tells_the_name(name: str) -> None:
    level = as_level(name)
    assert not set("/+#\0") & set(level)
    level.encode()
    assert unquote_to_bytes(level) == name.encode("utf-8", "surrogateescape")
