"""Where the page is served: HOST:PORT, and whether other machines reach it there."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import sys
from dataclasses import dataclass

from streamvpr.errors import ConfigError
from streamvpr.sinks.endpoint import shown_host

LOOPBACK = "127.0.0.1"
FORM = re.compile(r"(?:(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]*)):)?(?P<port>\d{1,5})")
# Browsers that are gone, or never read, are let go after so long.
SILENT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Address:
    """What --serve says."""

    host: str
    port: int
    """0 is any free one."""


@dataclass(frozen=True, slots=True)
class Door:
    """Sockets that listen already, so that a taken port is said before a run begins."""

    sockets: list[socket.socket]
    loopback: bool
    """Whether this machine alone reaches it."""
    names: frozenset[str]
    """What a browser on this machine calls it by."""
    url: str

    @property
    def port(self) -> int:
        """The port that it is."""
        return int(self.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more."""
        for listening in self.sockets:
            listening.close()


def parse_address(text: str) -> Address:
    """HOST:PORT, [HOST]:PORT, or PORT of this machine alone. Raises ConfigError."""
    found = FORM.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise ConfigError(
            f"--serve {text}: write HOST:PORT, such as 127.0.0.1:8080 or 0.0.0.0:8080, or a PORT "
            "from 0 to 65535 of this machine alone"
        )
    return Address(found["six"] or found["host"] or LOOPBACK, int(found["port"]))


def open_door(address: Address) -> Door:
    """Listen there. Raises ConfigError."""
    where = f"--serve {address.host}:{address.port}"
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ConfigError(f"{where}: {address.host} is no address of this machine") from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, _, _, _, at in found:
        port = sockets[0].getsockname()[1] if sockets else address.port
        try:
            sockets.append(_listen(family, str(at[0]), port))
        except OSError as error:
            failure = error
    if not sockets:
        reason = failure.strerror if failure is not None else "it has no address"
        raise ConfigError(f"{where}: {reason}; name another port or address") from failure
    loopback = all(_is_loopback(listening) for listening in sockets)
    names = frozenset({address.host.lower(), "localhost", LOOPBACK, "::1"})
    return Door(sockets, loopback, names, _url(address.host, sockets[0]))


def _listen(family: int, host: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # The address that stands for all is to be IPv4's, too.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        if sys.platform == "linux":
            # Those who accept take this over. A peer that reads nothing is one that is gone.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)
        listening.bind((host, port))
        listening.listen(128)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(str(listening.getsockname()[0]).split("%")[0]).is_loopback


def _url(host: str, listening: socket.socket) -> str:
    """What to type into a browser."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            host = socket.gethostname()
    return f"http://{shown_host(host)}:{listening.getsockname()[1]}/"
