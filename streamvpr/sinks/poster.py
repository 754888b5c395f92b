"""HTTP POST over a connection that is kept, directly or through the proxy of the environment."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    RemoteDisconnected,
)
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from streamvpr.errors import ConfigError
from streamvpr.sinks.endpoint import host_of, port_of
from streamvpr.sinks.receiver import basic_authorization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamvpr.sinks.receiver import Receiver

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
# What is read of an answer, so that the connection can be used again.
MOST_ANSWER = 2**16
PROXY_PORT = 80


class Unreachable(Exception):
    """There is no connection: nothing of what was to be posted has left."""


class NoAnswer(Exception):
    """The connection was there and gave no answer: what was posted may have arrived."""


class Answer(NamedTuple):
    """What a server said."""

    status: int
    retry_after: float | None = None
    """Seconds that it asks to be left alone for."""
    location: str | None = None


class Poster:
    """Posts one body after the other to one receiver. Of one thread, but for `cut`."""

    def __init__(
        self,
        receiver: Receiver,
        headers: Mapping[str, str],
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Nothing is connected before the first `post`. `headers` go with every one.

        Raises ConfigError for a proxy in the environment that is none of http.
        """
        self._receiver = receiver
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        self._proxy = _proxy_for(receiver)
        self._headers = dict(headers)
        if receiver.authorization is not None:
            self._headers["Authorization"] = receiver.authorization
        self._tls = ssl.create_default_context() if receiver.encrypted else None
        self._target = receiver.target
        if self._proxy is not None and not receiver.encrypted:
            self._target = f"{receiver}{receiver.target}"
            self._headers |= _proxy_headers(self._proxy)
        self._connection: HTTPConnection | None = None
        self._cut = False

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post once. Raises Unreachable, NoAnswer."""
        kept = self._connection
        if kept is not None:
            # A server ends a connection that was idle for long, maybe just now.
            with contextlib.suppress(NoAnswer):
                return self._exchange(kept, body, headers)
            if self._cut:
                raise NoAnswer("cut off")
        return self._exchange(self._connect(), body, headers)

    def cut(self) -> None:
        """End the exchange that is under way on another thread, and all that come."""
        self._cut = True
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not the one of TLS: it forgets its state, which the other thread is using.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next `post` opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> HTTPConnection:
        connection = self._connection = self._make_connection()
        try:
            connection.connect()
        except (OSError, HTTPException) as error:
            self.close()
            raise Unreachable(_reason(error)) from error
        connection.sock.settimeout(self._answer_seconds)
        return connection

    def _make_connection(self) -> HTTPConnection:
        receiver, proxy = self._receiver, self._proxy
        host, port = receiver.host, receiver.port
        if proxy is not None:
            host, port = host_of(proxy), port_of(proxy) or PROXY_PORT
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self._connect_seconds)
        connection = HTTPSConnection(host, port, timeout=self._connect_seconds, context=self._tls)
        if proxy is not None:
            connection.set_tunnel(receiver.host, receiver.port, _proxy_headers(proxy))
        return connection

    def _exchange(
        self, connection: HTTPConnection, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        try:
            connection.request("POST", self._target, body, {**self._headers, **headers})
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            self.close()
            raise NoAnswer(_reason(error)) from error
        answer = Answer(
            response.status,
            _seconds(response.getheader("Retry-After")),
            response.getheader("Location"),
        )
        self._finish(response)
        return answer

    def _finish(self, response: HTTPResponse) -> None:
        """Read the rest of an answer, or close the connection: its status is what counts."""
        try:
            response.read(MOST_ANSWER)
            whole = not response.read(1)
        except (OSError, HTTPException):
            whole = False
        if not whole or response.will_close:
            self.close()


def _proxy_for(receiver: Receiver) -> SplitResult | None:
    """The proxy that the environment names, HTTPS_PROXY or HTTP_PROXY but for those of NO_PROXY."""
    url = getproxies().get(receiver.scheme)
    if not url or proxy_bypass(receiver.authority):
        return None
    name = f"{receiver.scheme.upper()}_PROXY"
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http":
        raise ConfigError(
            f"--webhook: the proxy that {name} names is of {parts.scheme}:// and not of http://; "
            f"go around it with NO_PROXY={receiver.host}"
        )
    try:
        host_of(parts), port_of(parts)
    except ValueError as error:
        raise ConfigError(
            f"--webhook: the proxy that {name} names is none: {error}; write http://HOST:PORT"
        ) from None
    return parts


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    authorization = basic_authorization(proxy)
    return {} if authorization is None else {"Proxy-Authorization": authorization}


def _seconds(retry_after: str | None) -> float | None:
    """Seconds from now, of a number of them or of a date; None where it is neither."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: OSError | HTTPException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, RemoteDisconnected):
        return "it ended the connection without an answer"
    if isinstance(error, HTTPException):
        return "no answer of HTTP"
    return error.strerror or str(error)
