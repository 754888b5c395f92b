"""A run in the background and all that it says, for tests that wait for what happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streamvpr import records
from streamvpr.config import RunOptions
from streamvpr.session import open_online
from streamvpr.sinks import Sink

if TYPE_CHECKING:
    from streamvpr.frames import Decision
    from streamvpr.session import Session

JOIN_SECONDS = 20


class Said:
    """Lines as they come from another thread."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.heard: list[float] = []
        """When each line was said, by `time.monotonic`."""
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines of a type with these fields."""
        return [
            line
            for line in list(self.said)
            if line["type"] == kind and all(line[key] == value for key, value in fields.items())
        ]

    def states(self, stream: str | None = None) -> list[str]:
        lines = self.of("stream", **({} if stream is None else {"stream": stream}))
        return [line["state"] for line in lines]

    def wait_for(self, count: int, kind: str, timeout: float = 15, **fields: Any) -> dict[str, Any]:
        """The `count`-th line of a type with these fields, once it is there."""
        deadline = time.monotonic() + timeout
        with self._news:
            while len(found := self.of(kind, **fields)) < count and time.monotonic() < deadline:
                if self._thread is not None and not self._thread.is_alive():
                    break
                self._news.wait(0.1)
        if len(found) < count:
            shown = "\n".join(json.dumps(line) for line in self.said[-30:])
            pytest.fail(f"no {count} {kind} with {fields} in {timeout} s; {self.how()}\n{shown}")
        return found[count - 1]

    def heard_at(self, line: dict[str, Any]) -> float:
        """When a line was said."""
        return next(at for said, at in zip(self.said, self.heard, strict=False) if said is line)

    def how(self) -> str:
        """What went wrong, for the message of a test that fails."""
        return ""

    def join(self, timeout: float = JOIN_SECONDS) -> None:
        if self._thread is not None:
            self._thread.join(timeout)
            assert not self._thread.is_alive(), "the run hangs"

    def _begin(self, work: Any) -> None:
        self._thread = threading.Thread(target=work, name="live-run")
        self._thread.start()

    def _say(self, line: bytes) -> None:
        said = json.loads(line)
        with self._news:
            self.said.append(said)
            self.heard.append(time.monotonic())
            self._news.notify_all()


class Live(Said, Sink):
    """`streamvpr.run` in a thread of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.error: BaseException | None = None

    def start(self, *sources: object, **options: Any) -> None:
        """Begin, with all frames and without geometry where nothing else is said."""
        known: dict[str, Any] = {"fps": 0.0, "threads": 1, "verify_geom": False}
        known["read_timeout"] = 2.0
        chosen = RunOptions(**{**known, **options})
        self.session = open_online([str(source) for source in sources], chosen, [self])
        self._begin(self._run)

    def stop(self) -> None:
        """As SIGTERM does; returns when all is finished."""
        assert self.session is not None
        self.session.stop()
        self.join()

    def how(self) -> str:
        return repr(self.error)

    def write(self, decision: Decision) -> None:
        self._say(msgspec.json.encode(records.query(decision)))

    def write_closure(self, decision: Decision) -> None:
        self._say(msgspec.json.encode(records.loop_closure(decision)))

    def write_event(self, event: records.Stream | records.Health) -> None:
        self._say(msgspec.json.encode(event))

    def _run(self) -> None:
        assert self.session is not None
        try:
            asyncio.run(self.session.run())
        except BaseException as error:
            self.error = error


class Process(Said):
    """`streamvpr run` as a user starts it, with all records."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: object, **options: Any) -> None:
        line = [sys.executable, "-m", "streamvpr", "run", "--records", "all"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*line, *map(str, arguments)], stdout=subprocess.PIPE, stderr=log, **options
            )
        self._begin(self._read)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(JOIN_SECONDS)

    @property
    def err(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; returns when all that it said was read."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        self.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait(JOIN_SECONDS)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self.stop()

    def how(self) -> str:
        return self.err[-1000:]

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._say(line)
