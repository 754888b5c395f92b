"""Who may look: whoever holds the token, or is on this machine where none is asked for."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARIABLE = "STREAMVPR_TOKEN"
# Fewer letters than these are guessed by whoever has a night.
LEAST_LETTERS = 16
# What is open to all: it says how the streams do, and nothing of what they show.
OPEN = "/healthz"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

SIGN_IN = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>streamvpr: token needed</title>
<main>
<h1>streamvpr</h1>
<p>This page shows what cameras see. It needs the token that the run printed, or that its
STREAMVPR_TOKEN holds.</p>
<form action="/" method="get">
<p><label>Token <input name="token" type="password" autocomplete="current-password" required
autofocus></label> <button>Look</button></p>
</form>
</main>
</html>
"""


def choose_token(
    *, loopback: bool, environment: Mapping[str, str] = os.environ
) -> tuple[str | None, bool]:
    """The token that is asked for, and whether it was made up; (None, False) where there is none.

    One that is set is asked for everywhere. Raises ConfigError where it is easily guessed.
    """
    token = environment.get(VARIABLE)
    if token is None:
        return (None, False) if loopback else (secrets.token_urlsafe(24), True)
    if len(token) < LEAST_LETTERS:
        raise ConfigError(
            f"{VARIABLE} has {len(token)} letters, and fewer than {LEAST_LETTERS} are guessed "
            "easily; `openssl rand -hex 16` makes a good one"
        )
    return token, False


class Guard:
    """Stands before the application: lets through who may look, and sends what protects them.

    A browser brings the token once, in the address, and keeps what is derived of it in a cookie;
    other programs send `Authorization: Bearer TOKEN`. Without a token the page is for this machine,
    and the name that it is called by must be one of this machine: an address that somebody else's
    page resolves to here is not.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, names: frozenset[str], port: int
    ) -> None:
        """`names` are the hosts that it is called by where there is no token."""
        self._app = app
        self._token = token
        self._names = names
        # A browser sends the cookies of one port to all ports of a host.
        self._cookie = f"streamvpr-{port}"
        self._ticket = "" if token is None else hashlib.sha256(token.encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, protected)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead; None where the request is handed on."""
        path, headers = scope["path"], Headers(scope=scope)
        if path == OPEN:
            return None
        if self._token is None:
            return None if self._is_ours(headers.get("host", "")) else _misdirected()
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if path == "/" and offered and self._is_token(offered):
            return self._signed_in()
        if self._is_known(headers):
            return None
        return _unauthorised(page="text/html" in headers.get("accept", ""))

    def _is_ours(self, host: str) -> bool:
        try:
            return urlsplit(f"//{host}").hostname in self._names
        except ValueError:
            return False

    def _is_known(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given.strip()):
            return True
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        ticket = cookies.get(self._cookie)
        return ticket is not None and _same(ticket.value, self._ticket)

    def _is_token(self, offered: str) -> bool:
        return self._token is not None and _same(offered, self._token)

    def _signed_in(self) -> Response:
        """The same page without the token in its address, which histories keep."""
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(self._cookie, self._ticket, httponly=True, samesite="strict")
        return answer


def _same(offered: str, right: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(offered.encode(), right.encode())


def _unauthorised(*, page: bool) -> Response:
    headers = {"WWW-Authenticate": "Bearer"}
    if not page:
        text = f"the token is needed: Authorization: Bearer TOKEN, of {VARIABLE} or as printed\n"
        return PlainTextResponse(text, 401, headers)
    headers["Content-Security-Policy"] = "default-src 'none'; form-action 'self'"
    return HTMLResponse(SIGN_IN, 401, headers)


def _misdirected() -> Response:
    return PlainTextResponse(
        "this page is for this machine, under its own name; with STREAMVPR_TOKEN set it answers "
        "under every name to whoever has the token\n",
        421,
    )
