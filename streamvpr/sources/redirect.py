"""Where a web server sends on to, which FFmpeg follows without saying so."""

from __future__ import annotations

import ssl
from base64 import b64encode
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

if TYPE_CHECKING:
    from streamvpr.sources.hosts import Hosts

REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _Stay(HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def redirect_of(url: str, hosts: Hosts, *, seconds: float) -> str | None:
    """Where the server sends whoever asks for that address; None where it does not, or is silent.

    Asks through the proxy of the environment, as FFmpeg does. A login goes along within one host.
    """
    # Like FFmpeg, unless it is told to: what is told here is checked before it is used.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = build_opener(_Stay, HTTPSHandler(context=trusting))
    place = None
    try:
        with opener.open(_request(url), timeout=seconds):
            return None
    except HTTPError as error:
        with error:
            place = error.headers.get("Location") if error.code in REDIRECTS else None
    except (OSError, HTTPException, ValueError):
        return None
    return None if place is None else _with_login(urljoin(url, place), url, hosts)


def _request(url: str) -> Request:
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    asked = urlunsplit(parts._replace(netloc=host))
    # The user's own address, or one that `Hosts` allowed: http or https, both.
    request = Request(asked, headers={"Accept": "*/*"})  # noqa: S310
    if at:
        login = b64encode(unquote(userinfo).encode()).decode("ascii")
        request.add_header("Authorization", f"Basic {login}")
    return request


def _with_login(place: str, url: str, hosts: Hosts) -> str:
    parts = urlsplit(place)
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at or "@" in parts.netloc or (parts.hostname or "") != getattr(hosts.named, "host", ""):
        return place
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
