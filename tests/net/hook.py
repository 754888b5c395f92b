"""A web server in a thread of the test, which takes what is posted and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Posted:
    """A request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes
    peer: int
    """The port that it came from: one a connection."""

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


@dataclass(frozen=True)
class Reply:
    """What is answered. A status of 0 is the end of the connection."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    then_close: bool = False
    """The connection ends after it, without a word of it."""


class Hook:
    """The server; what it says, in turn, and for ever the last of it."""

    def __init__(self, port: int = 0, certificate: tuple[Path, Path] | None = None) -> None:
        self.posted: list[Posted] = []
        self.replies: list[Reply] = [Reply()]
        self.failing: set[int] = set()
        """Indices of queries that it fails at, each time."""
        self.tunnels: list[str] = []
        """What was asked for by CONNECT."""
        self.silent = threading.Event()
        """As long as it is set, nothing is answered."""
        self._news = threading.Condition()
        self._over = threading.Event()
        self._server = _Server((HOST, port), _Handler)
        self._server.hook = self
        self.scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def indices(self) -> list[int]:
        """Of the records as they came, repeated ones too."""
        return [posted.record["query_idx"] for posted in list(self.posted)]

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def take(self, posted: Posted) -> Reply:
        with self._news:
            self.posted.append(posted)
            if posted.record.get("query_idx") in self.failing:
                return Reply(500)
            reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        while self.silent.is_set() and not self._over.wait(0.02):
            pass
        return reply


class _Server(ThreadingHTTPServer):
    hook: Hook
    daemon_threads = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = dict(self.headers.items())
        reply = self.server.hook.take(Posted(self.path, headers, body, self.client_address[1]))
        if reply.status == 0:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection |= reply.then_close

    def do_CONNECT(self) -> None:
        """As a proxy does: bytes both ways, until one side ends."""
        self.server.hook.tunnels.append(f"{self.path} {self.headers['Proxy-Authorization']}")
        host, _, port = self.path.rpartition(":")
        self.close_connection = True
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(there, self.connection))
            back.start()
            _copy(self.connection, there)
            back.join()

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def hook(**options: Any) -> Iterator[Hook]:
    server = Hook(**options)
    try:
        yield server
    finally:
        server.close()
