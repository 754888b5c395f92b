"""A run of streamvpr whose every record is looked at as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from courses import STREAMVPR

if TYPE_CHECKING:
    from collections.abc import Callable

END_SECONDS = 20.0
# Of what is wrong with records: more say nothing new.
MOST_BREACHES = 50


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has of the system."""

    threads: int
    descriptors: int
    resident: int
    """Bytes."""


@dataclass(slots=True)
class Seen:
    """The records of one stream so far."""

    queries: int = 0
    undescribed: int = 0
    closures: int = 0
    last_time: float = -1.0
    came: float = 0.0
    """When the newest picture that was decided on had come, by `time.monotonic`."""
    states: list[str] = field(default_factory=list)
    health: dict[str, Any] = field(default_factory=dict)


class WatchedRun:
    """`streamvpr run` as a user starts it, with all records or those that are asked for."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        *,
        name: str = "run",
        environment: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
        options: tuple[str, ...] = ("--records", "all"),
        stalls: bool = False,
    ) -> None:
        """Begin; its log goes to `folder`. With `stalls` nothing is read before `read_on`."""
        self.breaches: list[str] = []
        """Promises about records that were broken."""
        self.lines: list[bytes] = []
        self.seen: dict[str, Seen] = {}
        self.log = folder / f"{name}.log"
        self._news = threading.Condition()
        self._reads = threading.Event()
        if not stalls:
            self._reads.set()
        command = [*STREAMVPR, "run", *arguments, *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=before,
            )
        assert self.process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(self.process.stdout,))
        self._thread.start()

    def read_on(self) -> None:
        """Read what it says, or go on with that."""
        self._reads.set()

    def stall(self) -> None:
        """Read no more, and leave its standard output open."""
        self._reads.clear()

    def wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Wait until it has said what makes that true; whether it has."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not ready():
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    return ready()
                self._news.wait(min(left, 0.1))
        return True

    def of(self, stream: str) -> Seen:
        """The records of a stream."""
        return self.seen.setdefault(stream, Seen())

    def seconds_until_seen(self, stream: str, since: float, patience: float) -> float | None:
        """Seconds from `since` to the record of a picture that came later; None: none in time."""
        seen = self.of(stream)
        if self.wait(lambda: seen.came >= since, patience):
            return time.monotonic() - since
        return None

    def usage(self) -> Usage:
        """What it has now. Raises OSError where it has ended."""
        folder = Path(f"/proc/{self.process.pid}")
        pages = int((folder / "statm").read_text(encoding="ascii").split()[1])
        return Usage(
            threads=len(list((folder / "task").iterdir())),
            descriptors=len(list((folder / "fd").iterdir())),
            resident=pages * os.sysconf("SC_PAGE_SIZE"),
        )

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal, read the rest, and its exit code; -9 where it had to be killed."""
        self._reads.set()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._thread.join()
        return code

    @property
    def words(self) -> str:
        """What it said on standard error."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _read(self, output: IO[bytes]) -> None:
        with output:
            while True:
                self._reads.wait()
                line = output.readline()
                if not line:
                    break
                with self._news:
                    self.lines.append(line)
                    self._look_at(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _look_at(self, line: bytes) -> None:
        try:
            record = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            self._breach(f"no JSON ({error}): {line[:200]!r}")
            return
        if not line.endswith(b"\n"):
            self._breach(f"a line that is cut off: {line[-200:]!r}")
        seen = self.of(record["stream"])
        kind = record["type"]
        if kind == "query":
            self._look_at_query(record, seen)
        elif kind == "loop_closure":
            seen.closures += 1
            own = record["match_stream"] == record["stream"] and not record.get("match_session")
            if own and record["match_idx"] >= record["query_idx"]:
                self._breach(f"{record['stream']}: a match that is not older: {line!r}")
        elif kind == "stream":
            seen.states.append(record["state"])
        elif kind == "health":
            self._look_at_health(record, seen)

    def _look_at_query(self, record: dict[str, Any], seen: Seen) -> None:
        name = record["stream"]
        if record["query_idx"] != seen.queries:
            self._breach(f"{name}: query_idx {record['query_idx']} after {seen.queries - 1}")
        if record["query_time"] is not None and record["query_time"] <= seen.last_time:
            self._breach(f"{name}: query_time {record['query_time']} after {seen.last_time}")
        seen.queries = record["query_idx"] + 1
        seen.last_time = record["query_time"] or seen.last_time
        seen.undescribed += record["decision"] == "undescribed"
        seen.came = time.monotonic() - record.get("latency_ms", 0.0) / 1e3

    def _look_at_health(self, record: dict[str, Any], seen: Seen) -> None:
        parts = record["processed"] + record["left_out"] + record["queued"]
        if record["frames_in"] != parts + sum(record["dropped"].values()):
            self._breach(f"{record['stream']}: health does not add up: {record}")
        seen.health = record

    def _breach(self, what: str) -> None:
        if len(self.breaches) < MOST_BREACHES:
            self.breaches.append(what)
