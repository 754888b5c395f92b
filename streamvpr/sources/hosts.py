"""The hosts that an http(s) source may be read from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

# Written so narrowly that FFmpeg, which reads it in a way of its own, can find no other host in it.
URL = re.compile(
    r"(?P<scheme>https?)://(?:[^\s\x00-\x1f\x7f\\/?#@]*@)?"
    r"(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?(?:[/?#][^\s\x00-\x1f\x7f]*)?",
    re.IGNORECASE,
)
PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """A host and a port of it."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Hosts:
    """The one that the user named, and those that are allowed besides."""

    named: Place | None
    """None where the address is none that can be read: then only those that are allowed."""
    allowed: tuple[str, ...] = ()
    """Each `HOST`, at the usual ports of http and https, or `HOST:PORT`."""

    @classmethod
    def of(cls, url: str, allowed: tuple[str, ...] = ()) -> Hosts:
        """Those of a source with that address."""
        return cls(place_of(url), tuple(one.lower() for one in allowed))

    def allow(self, url: str) -> bool:
        """Whether that address may be asked: the same host and port, or one that is allowed.

        From http to https of the same host, at the usual ports, is the same host.
        """
        place = place_of(url)
        if place is None:
            return False
        if place == self.named:
            return True
        if self.named is not None and self.named.port == PORTS["http"]:
            named = self.named.host
            if place == Place(named, PORTS["https"]) and url.lower().startswith("https"):
                return True
        usual = place.port in PORTS.values()
        return f"{place.host}:{place.port}" in self.allowed or (
            usual and place.host in self.allowed
        )


def place_of(url: str) -> Place | None:
    """Host and port of an http(s) address; None for whatever is none, or is written oddly."""
    match = URL.fullmatch(url)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else PORTS[match["scheme"].lower()]
    return Place(match["host"].lower(), port)


def spelled(url: str) -> str | None:
    """The host of an address as `--allow-host` takes it; None where it has none."""
    place = place_of(url)
    if place is None:
        return None
    return place.host if place.port in PORTS.values() else f"{place.host}:{place.port}"
