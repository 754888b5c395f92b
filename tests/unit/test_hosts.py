"""Which addresses are at the host that was named, however they are written."""

from __future__ import annotations

import pytest

from streamvpr.sources.hosts import Hosts, spelled

NAMED = "http://user:pa%2Fss@cam.lan:8080/live.m3u8"


@pytest.mark.parametrize(
    "url",
    [
        "http://cam.lan:8080/1.ts",
        "HTTP://CAM.LAN:8080",
        "http://user:other@cam.lan:8080/1.ts?a=b#c",
        "https://cam.lan:8080/1.ts",
    ],
)
def test_the_same_host_and_port_is_allowed(url: str) -> None:
    assert Hosts.of(NAMED).allow(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://cam.lan/1.ts",
        "http://cam.lan:80/1.ts",
        "http://other.lan:8080/1.ts",
        "http://cam.lan.other:8080/1.ts",
        "http://cam.lan:8080@other.lan/1.ts",
        "http://other.lan\\@cam.lan:8080/1.ts",
        "http://other.lan#@cam.lan:8080/1.ts",
        "http://other.lan?@cam.lan:8080/1.ts",
        "http://a@other.lan@cam.lan:8080/1.ts",
        "http://cam.lan:8080\t@other.lan/1.ts",
        "http://cam.lan:8080 /1.ts",
        "http:cam.lan:8080/1.ts",
        "http://[::1]:8080/1.ts",
        "http://cam.lan:80808080/1.ts",
        "ftp://cam.lan:8080/1.ts",
        "file:///etc/hostname",
        "/1.ts",
        "",
    ],
)
def test_nothing_else_is(url: str) -> None:
    assert not Hosts.of(NAMED).allow(url)


def test_https_of_the_same_host_is_where_http_may_lead() -> None:
    assert Hosts.of("http://cam.lan/a").allow("https://cam.lan/a")
    assert not Hosts.of("https://cam.lan/a").allow("http://cam.lan/a")
    assert not Hosts.of("http://cam.lan/a").allow("http://cam.lan:443/a")


def test_a_host_is_allowed_at_the_usual_ports_or_at_its_own() -> None:
    hosts = Hosts.of(NAMED, ("CDN.net", "cdn.org:81", "[::1]:82"))
    assert hosts.allow("https://cdn.net/1.ts")
    assert not hosts.allow("https://cdn.net:81/1.ts")
    assert hosts.allow("http://cdn.org:81/1.ts")
    assert not hosts.allow("http://cdn.org/1.ts")
    assert hosts.allow("http://[::1]:82/1.ts")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://CDN.net/1.ts", "cdn.net"),
        ("http://cdn.net:81/1.ts", "cdn.net:81"),
        ("file:///etc/hostname", None),
    ],
)
def test_what_a_refusal_says_to_allow(url: str, host: str | None) -> None:
    assert spelled(url) == host
