"""A real MQTT broker in a process of its own, and a subscriber that outlasts it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
PATIENCE_SECONDS = 15
# Where Debian has it, which is on no user's path.
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SUBSCRIBE, SET_PASSWORD = shutil.which("mosquitto_sub"), shutil.which("mosquitto_passwd")
REASON = "no mosquitto: apt-get install mosquitto mosquitto-clients"
needs_mosquitto = pytest.mark.skipif(not (MOSQUITTO and SUBSCRIBE and SET_PASSWORD), reason=REASON)


@dataclass(frozen=True)
class Heard:
    """A message as a subscriber got it."""

    topic: str
    payload: str
    qos: int
    retained: bool

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads(self.payload))


@dataclass
class Broker:
    """One mosquitto after the other, on one port, with the same sessions."""

    folder: Path
    port: int
    users: dict[str, str] = field(default_factory=dict)
    certificate: tuple[Path, Path] | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt{'s' if self.certificate else ''}://{HOST}:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        (self.folder / "conf").write_text("\n".join(self._settings()) + "\n", encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(MOSQUITTO), "-v", "-c", str(self.folder / "conf")], stdout=log, stderr=log
            )
        wait_until(self._answers, "the broker listens")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            # Not SIGKILL: it writes down what its subscribers still have to get.
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def stop(self) -> None:
        """Connections stay, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def retained(self, topic: str) -> str:
        """What a subscriber that comes now is told at once."""
        line = [str(SUBSCRIBE), "-h", HOST, "-p", str(self.port), "-t", topic]
        line += ["-C", "1", "-W", "5", "--retained-only"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def _settings(self) -> list[str]:
        lines = [f"listener {self.port} {HOST}", "persistence true", "log_type all"]
        lines += [f"persistence_location {self.folder}/", f"user {_user()}"]
        if self.certificate is not None:
            certificate, key = self.certificate
            lines += [f"certfile {certificate}", f"keyfile {key}"]
        if not self.users:
            return [*lines, "allow_anonymous true"]
        passwords = self.folder / "passwords"
        passwords.touch(0o600)
        for name, password in self.users.items():
            subprocess.run(
                [str(SET_PASSWORD), "-b", str(passwords), name, password],
                check=True,
                capture_output=True,
            )
        return [*lines, "allow_anonymous false", f"password_file {passwords}"]


class Subscriber:
    """mosquitto_sub with a session that outlasts the broker, and all that it was told."""

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        self.heard: list[Heard] = []
        line = [str(SUBSCRIBE), "-h", HOST, "-p", str(broker.port), "-q", "1", "-t", topic]
        line += ["-c", "-i", "subscriber", "-F", "%r %q %t %p"]
        self._process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_until(lambda: "Sending SUBACK to subscriber" in broker.log, "it has subscribed")

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind."""
        return [heard.record for heard in list(self.heard) if heard.topic.endswith(f"/{kind}")]

    def indices(self) -> list[int]:
        """Of the queries that came, each once, in the order in which they came first."""
        return list(dict.fromkeys(record["query_idx"] for record in self.of("query")))

    def statuses(self, topic: str = "streamvpr") -> list[str]:
        return [h.payload for h in list(self.heard) if h.topic == f"{topic}/status"]

    def close(self) -> None:
        self._process.terminate()
        self._thread.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(PATIENCE_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            retained, qos, topic, payload = line.rstrip("\n").split(" ", 3)
            self.heard.append(Heard(topic, payload, int(qos), retained == "1"))


def wait_until(true: Callable[[], bool], what: str, timeout: float = PATIENCE_SECONDS) -> None:
    """Fails where it does not come true."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"not in {timeout} s: {what}"
        time.sleep(0.02)


def _user() -> str:
    """As root it would run as somebody else, who may not read what a test makes."""
    return Path.home().owner() if os.geteuid() else "root"
