"""A relay between a program and a TCP server, which does to the bytes what networks do."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
MOST_BYTES = 1 << 16
# How often a relay that holds everything back looks whether it still is to.
PAUSE_SECONDS = 0.02


class Relay:
    """Hands on what one side says to the other; `mangle` and `silent` are for what the server says.

    Both are set from another thread, and hold from the next bytes on.
    """

    def __init__(self, target: int) -> None:
        """Listen, and hand on to that port of this machine."""
        self.mangle: Callable[[bytes], bytes] | None = None
        self.silent = False
        """Whether the server's words are held back, and nobody is told."""
        self._target = target
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._over = False
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listen, at the port of before."""
        self._listener = socket.create_server((HOST, self.port))
        self.port = self._listener.getsockname()[1]
        self._begin(self._accept_all, self._listener)

    def refuse(self) -> None:
        """Listen no more; connections that are there stay."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self, *, reset: bool = False) -> None:
        """End all connections, cleanly or with a reset."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for side in (client, server):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
                side.close()

    def close(self) -> None:
        """End it."""
        self._over = True
        self.refuse()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=arguments, name=f"relay-{self.port}")
        self._threads.append(thread)
        thread.start()

    def _accept_all(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection((HOST, self._target), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                with self._lock:
                    self._pairs.append((client, server))
                self._begin(self._pump, client, server, False)
                self._begin(self._pump, server, client, True)

    def _pump(self, source: socket.socket, target: socket.socket, spoils: bool) -> None:
        with suppress(OSError):
            while data := source.recv(MOST_BYTES):
                while spoils and self.silent and not self._over:
                    threading.Event().wait(PAUSE_SECONDS)
                if spoils and self.mangle is not None:
                    data = self.mangle(data)
                target.sendall(data)
        for side in (source, target):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
