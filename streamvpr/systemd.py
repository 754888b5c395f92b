"""Telling systemd that the service is up and alive (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket that systemd names in the environment; silent where it names none.

    A service that systemd does not watch pays nothing, and one whose systemd is restarting does
    not fail for it.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET")
        # A leading @ stands for the zero byte of an abstract socket.
        self._address = f"\0{path[1:]}" if path and path[0] == "@" else path
        self._watched = _watchdog_seconds(environment)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @property
    def watchdog_seconds(self) -> float | None:
        """Time after which systemd takes a silent service for dead; None where it does not."""
        return None if self._address is None else self._watched

    def send(self, state: str) -> None:
        """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...`."""
        if self._address is None:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError as error:
            logger.debug("systemd did not take %s: %s", state, error)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """WATCHDOG_USEC in seconds, where it is meant for this process."""
    process = environment.get("WATCHDOG_PID")
    if process is not None and process != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
