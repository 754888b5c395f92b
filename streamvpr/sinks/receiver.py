"""A web server that takes records, as the command line names it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from streamvpr.credentials import encode_userinfo, fill_in
from streamvpr.errors import ConfigError
from streamvpr.sinks.endpoint import host_of, port_of, shown_host

if TYPE_CHECKING:
    from pathlib import Path

FORM = "http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]"
PORTS = {"http": 80, "https": 443}
# What stays as it is in a path and a query; what is encoded already, too.
TARGET_SAFE = "/?:@!$&'()*+,;=-._~%[]"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where records are posted to. Its text names scheme and host alone: all else may be secret."""

    host: str
    port: int
    encrypted: bool
    target: str = field(repr=False)
    """Path and query."""
    authorization: str | None = field(default=None, repr=False)
    """Value of the header of this name."""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.encrypted else "http"

    @property
    def authority(self) -> str:
        """Host, and the port where it is not the usual one."""
        host = shown_host(self.host)
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_receiver(url: str, credentials: Path | None = None) -> Receiver:
    """The receiver of `http[s]://[USER:PASSWORD@]HOST[:PORT][/PATH]`.

    A login that is not there is that of the host in `credentials`, a file in the format of .netrc.
    Raises ConfigError, which quotes no more than a host.
    """
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in PORTS:
        raise ConfigError(f"--webhook takes an address, https://...; write {FORM}")
    try:
        return _receiver(scheme, fill_in(encode_userinfo(url), credentials))
    except ValueError as error:
        raise ConfigError(f"--webhook: {error}; write {FORM}") from None


def _receiver(scheme: str, url: str) -> Receiver:
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return Receiver(
        host=host_of(parts),
        port=port_of(parts) or PORTS[scheme],
        encrypted=scheme == "https",
        target=quote((parts.path or "/") + query, safe=TARGET_SAFE),
        authorization=basic_authorization(parts),
    )


def basic_authorization(parts: SplitResult) -> str | None:
    """The header's value for the login of a URL; None where it has none."""
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(login.encode()).decode("ascii")
