"""What goes wrong around the program: its disk, its reader, its memory, its clock, its end."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from camera import Camera, Coded
from map_kills import PROMISED_SECONDS, indices_by_session
from watched_run import WatchedRun

from streamvpr.maps.checking import check_map

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

START_SECONDS = 60.0
# Of a full disk: what a few seconds of records and pictures fill.
DISK_BYTES = 800_000
# Kills of runs that write one map, and one folder; then others are begun.
SESSIONS = 20
FAKETIME = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")
LIBRARY = "libfaketimeMT.so.1"


@dataclass(slots=True)
class Outcome:
    """What came of one fault."""

    kind: str
    seconds: float | None = None
    """Until all was well again; None where it never was."""
    lost: int = 0
    """Records that were printed and are in no file."""
    breaches: list[str] = field(default_factory=list)
    """Other promises that were broken."""

    @property
    def good(self) -> bool:
        """Whether all that is promised held."""
        return self.seconds is not None and not self.lost and not self.breaches


@dataclass(frozen=True, slots=True)
class Setting:
    """What the faults are tried in."""

    folder: Path
    model: Path
    options: tuple[str, ...]
    """Of the program: its time-outs."""
    patience: float
    """Seconds within which it is to recover."""
    usual: list[Coded]
    huge: Callable[[], list[Coded]]
    """Pictures for which there is no room."""


@contextmanager
def running(
    setting: Setting, name: str, cameras: list[Camera], *arguments: str, **how: object
) -> Iterator[WatchedRun]:
    """A run that reads cameras; it is ended, and they are closed."""
    sources = [f"s{number}={camera.url}" for number, camera in enumerate(cameras)]
    pairs = zip(setting.options[::2], setting.options[1::2], strict=True)
    usual = [text for pair in pairs if pair[0] not in arguments for text in pair]
    given = [*sources, "--model", str(setting.model), "--threads", "1", *usual]
    with ExitStack() as stack:
        for camera in cameras:
            stack.callback(camera.close)
        run = WatchedRun([*given, *arguments], setting.folder, name=name, **how)  # type: ignore[arg-type]
        stack.callback(run.end, signal.SIGKILL)
        yield run


def sees_all(run: WatchedRun, count: int, seconds: float) -> bool:
    """Whether each of so many streams gets a record of a picture that is taken from now on."""
    now = time.monotonic()
    names = [f"s{number}" for number in range(count)]
    return run.wait(lambda: all(run.of(name).came >= now for name in names), seconds)


def fill_disk(setting: Setting, number: int, chance: random.Random) -> Outcome:
    """The disk of all that is written fills up: exit code 5, and what was written is whole."""
    outcome = Outcome("full disk")
    where = setting.folder / f"disk-{number}"
    where.mkdir()
    size = round(DISK_BYTES * chance.uniform(0.5, 1.5))
    with _small_disk(where, size) as before:
        files = ["--jsonl", str(where / "records.jsonl"), "--output-dir", str(where / "out")]
        files += ["--map", str(where / "map.vpr")] if chance.random() < 0.5 else []
        with running(
            setting, f"disk-{number}", [Camera(setting.usual, "tcp")], *files,
            before=before,
        ) as run:  # fmt: skip
            began = time.monotonic()
            with suppress(subprocess.TimeoutExpired):
                run.process.wait(START_SECONDS)
            ended = run.process.poll()
            run.end(signal.SIGKILL)
            outcome.breaches += run.breaches
            if ended != 5:
                outcome.breaches.append(f"disk-{number}: exit code {ended}")
            last = run.words.strip().splitlines()[-1:]
            if not (last and last[0].startswith("streamvpr: error: ")):
                outcome.breaches.append(f"disk-{number}: last words {last}")
            printed = run.lines
        outcome.seconds = time.monotonic() - began
        # The disk that is full may be missing any of the last ones, but nothing in between.
        _check_prefix(outcome, where / "records.jsonl", printed)
        queries = [line for line in printed if b'"type":"query"' in line]
        _check_prefix(outcome, where / "out" / "queries.jsonl", queries)
        closures = [json.loads(line) for line in printed if b'"type":"loop_closure"' in line]
        written = json.loads((where / "out" / "loop_closures.json").read_bytes())
        if written != closures[: len(written)]:
            outcome.breaches.append(f"disk-{number}: loop_closures.json is not what was printed")
        if (where / "map.vpr").exists():
            outcome.breaches += check_map(where / "map.vpr").faults
    return outcome


def stall_reader(setting: Setting, number: int, chance: random.Random) -> Outcome:
    """Nobody reads standard output for a while: the oldest pictures go, counted, and no record."""
    outcome = Outcome("stalled reader")
    file = setting.folder / f"reader-{number}.jsonl"
    with running(
        setting, f"reader-{number}", [Camera(setting.usual, "tcp")], "--fps", "0",
        "--jsonl", str(file), "--health-every", "0.5",
    ) as run:  # fmt: skip
        assert run.process.stdout is not None
        fcntl.fcntl(run.process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        if not sees_all(run, 1, START_SECONDS):
            outcome.breaches.append(f"reader-{number}: no record at all; {run.words[-500:]}")
            return outcome
        run.stall()
        time.sleep(chance.uniform(5.0, 8.0))
        run.read_on()
        began = time.monotonic()
        if sees_all(run, 1, setting.patience):
            outcome.seconds = time.monotonic() - began
        code = run.end()
        outcome.breaches += run.breaches
        if code != 0:
            outcome.breaches.append(f"reader-{number}: exit code {code}")
        if not run.of("s0").health["dropped"]["overload"]:
            outcome.breaches.append(f"reader-{number}: nothing was dropped: {run.of('s0').health}")
        outcome.lost = len(set(run.lines) - set(_lines(file)))
    return outcome


def run_out_of_memory(setting: Setting, number: int, chance: random.Random) -> Outcome:
    """One stream sends pictures for which there is no memory; the others go on, and then it."""
    outcome = Outcome("no memory")
    cameras = [Camera(setting.usual, "tcp") for _ in range(3)]
    with running(setting, f"memory-{number}", cameras, "--health-every", "0.5") as run:
        if not sees_all(run, 3, START_SECONDS):
            outcome.breaches.append(f"memory-{number}: no record at all; {run.words[-500:]}")
            return outcome
        size = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[0])
        most = size * resource.getpagesize() + (64 << 20)
        resource.prlimit(run.process.pid, resource.RLIMIT_AS, (most, most))
        cameras[0].pictures = setting.huge()
        time.sleep(chance.uniform(2.0, 4.0))
        if not sees_all(run, 0, 1) or not _goes_on(run, ("s1", "s2"), setting.patience):
            outcome.breaches.append(f"memory-{number}: the others stopped; {run.words[-500:]}")
        cameras[0].pictures = setting.usual
        began = time.monotonic()
        if sees_all(run, 3, setting.patience):
            outcome.seconds = time.monotonic() - began
        seen = run.of("s0").health
        if not seen["dropped"]["damaged"] + seen["undescribed"]:
            outcome.breaches.append(f"memory-{number}: no picture was left out: {seen}")
        code = run.end()
        if code != 0:
            outcome.breaches.append(f"memory-{number}: exit code {code}; {run.words[-500:]}")
        outcome.breaches += run.breaches
    return outcome


def step_clock(setting: Setting, number: int, chance: random.Random) -> Outcome:
    """The wall clock jumps, as NTP's first answer makes it, by seconds to decades."""
    outcome = Outcome("clock step")
    library = next((Path(f) / LIBRARY for f in FAKETIME if (Path(f) / LIBRARY).exists()), None)
    assert library is not None
    offset = setting.folder / f"clock-{number}.txt"
    offset.write_text("+0s\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    cameras = [Camera(setting.usual, transport) for transport in ("tcp", "udp")]
    with running(setting, f"clock-{number}", cameras, environment=environment) as run:
        if not sees_all(run, 2, START_SECONDS):
            outcome.breaches.append(f"clock-{number}: no record at all; {run.words[-500:]}")
            return outcome
        lost = [run.of(f"s{n}").states.count("lost") for n in range(2)]
        step = chance.choice((-1, 1)) * float(10 ** chance.uniform(0, 9))
        offset.write_text(f"{step:+.0f}s\n")
        began = time.monotonic()
        if sees_all(run, 2, setting.patience):
            outcome.seconds = time.monotonic() - began
        time.sleep(1.0)
        if lost != [run.of(f"s{n}").states.count("lost") for n in range(2)]:
            outcome.breaches.append(f"clock-{number}: a stream was lost for a step of {step:.0f} s")
        wall = json.loads(run.lines[-1]).get("query_wall_time") or ""
        if abs(step) > 4e8 and wall.startswith(time.strftime("%Y", time.gmtime())):
            outcome.breaches.append(f"clock-{number}: the clock was not stepped")
        code = run.end()
        if code != 0:
            outcome.breaches.append(f"clock-{number}: exit code {code}; {run.words[-500:]}")
        outcome.breaches += run.breaches
    return outcome


def stop_and_continue(setting: Setting, number: int, chance: random.Random) -> Outcome:
    """SIGSTOP to the program, and SIGCONT, as a laptop's lid or a debugger does."""
    outcome = Outcome("SIGSTOP, SIGCONT")
    cameras = [Camera(setting.usual, transport) for transport in ("tcp", "udp", "http")]
    with running(setting, f"stop-{number}", cameras) as run:
        if not sees_all(run, 3, START_SECONDS):
            outcome.breaches.append(f"stop-{number}: no record at all; {run.words[-500:]}")
            return outcome
        slowest = 0.0
        for _ in range(5):
            run.process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.2, 4.0))
            run.process.send_signal(signal.SIGCONT)
            began = time.monotonic()
            if not sees_all(run, 3, setting.patience):
                return outcome
            slowest = max(slowest, time.monotonic() - began)
        outcome.seconds = slowest
        code = run.end()
        if code != 0:
            outcome.breaches.append(f"stop-{number}: exit code {code}; {run.words[-500:]}")
        outcome.breaches += run.breaches
    return outcome


class Kills:
    """Runs that are killed while they write a folder, a file and a map, one after the other."""

    def __init__(self, setting: Setting, film: Path) -> None:
        """`film` is what every second one reads, as fast as it can."""
        self._setting = setting
        self._film = film
        self._before: dict[str, set[int]] = {}
        self.places = self.printed = 0

    def kill(self, setting: Setting, number: int, chance: random.Random) -> Outcome:
        """One run, killed at a random moment of its first seconds."""
        outcome = Outcome("kill -9")
        name = f"kill-{number}"
        store = setting.folder / f"store-{number // SESSIONS}"
        store.mkdir(exist_ok=True)
        if number % SESSIONS == 0:
            self._before = {}
        files = ["--output-dir", str(store / f"out-{number}"), "--session", name]
        files += ["--jsonl", str(store / f"{number}.jsonl"), "--map", str(store / "map.vpr")]
        cameras = [Camera(setting.usual, "tcp")] if number % 2 else []
        sources = [] if cameras else [f"s0={self._film}"]
        with running(
            setting, name, cameras, *sources, *files, "--fps", "0", "--capacity", "1000"
        ) as run:
            came: list[tuple[float, int]] = []
            began = time.monotonic()
            if not run.wait(lambda: run.of("s0").queries > 0, START_SECONDS):
                outcome.breaches.append(f"{name}: no record at all; {run.words[-500:]}")
                return outcome
            outcome.seconds = time.monotonic() - began
            until = time.monotonic() + chance.uniform(0.0, 3.0)
            while time.monotonic() < until and run.process.poll() is None:
                came.append((time.monotonic(), run.of("s0").queries))
                time.sleep(0.02)
            ended = run.process.poll()
            killed = time.monotonic()
            run.end(signal.SIGKILL)
            if ended not in (None, 0):
                outcome.breaches.append(f"{name}: ended with {ended}; {run.words[-500:]}")
            self.printed += len(run.lines)
            _check_files(outcome, name, store / f"out-{number}", store / f"{number}.jsonl", run)
            promised = max((n for at, n in came if at < killed - PROMISED_SECONDS), default=0)
            self._check_map(outcome, name, store / "map.vpr", run, promised)
        return outcome

    def _check_map(
        self, outcome: Outcome, name: str, path: Path, run: WatchedRun, promised: int
    ) -> None:
        outcome.breaches += [f"{name}: {fault}" for fault in check_map(path).faults]
        after = indices_by_session(path)
        for session, indices in self._before.items():
            if after.get(session, set()) != indices:
                outcome.breaches.append(f"{name}: session {session} is not what it was")
        due = {
            record["query_idx"]
            for record in map(msgspec.json.decode, run.lines)
            if record["type"] == "query"
            and record["decision"] not in ("stationary", "undescribed")
            and record["query_idx"] < promised
        }
        missing = due - after.get(name, set())
        if missing:
            outcome.lost += len(missing)
            outcome.breaches.append(f"{name}: places {sorted(missing)[:10]} are not in the map")
        self.places += len(after.get(name, set()))
        self._before = after


def _check_files(outcome: Outcome, name: str, folder: Path, jsonl: Path, run: WatchedRun) -> None:
    """All that was printed is in the files, but for the line that was just being written."""
    queries = [line for line in run.lines if b'"type":"query"' in line]
    for path, printed in ((jsonl, run.lines), (folder / "queries.jsonl", queries)):
        written = _lines(path)
        if written[: len(printed)] != printed[: len(written)]:
            outcome.breaches.append(f"{name}: {path} is not what was printed")
        short = len(printed) - len(written)
        if short > 1:
            outcome.lost += short
            outcome.breaches.append(f"{name}: {path} lacks {short} lines")
    closures = [json.loads(line) for line in run.lines if b'"type":"loop_closure"' in line]
    written_closures = json.loads((folder / "loop_closures.json").read_bytes())
    short = len(closures) - len(written_closures)
    if short > 1 or written_closures[: len(closures)] != closures[: len(written_closures)]:
        outcome.lost += max(0, short)
        outcome.breaches.append(f"{name}: loop_closures.json lacks {short} closures")


def _goes_on(run: WatchedRun, names: tuple[str, ...], seconds: float) -> bool:
    now = time.monotonic()
    return run.wait(lambda: all(run.of(name).came >= now for name in names), seconds)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _check_prefix(outcome: Outcome, path: Path, printed: list[bytes]) -> None:
    written = _lines(path)
    if written != printed[: len(written)]:
        outcome.breaches.append(f"{path} is not the beginning of what was printed")


@contextmanager
def _small_disk(where: Path, size: int) -> Iterator[Callable[[], None] | None]:
    """A disk of so many bytes at `where`, or where that needs root, a limit on each file.

    Yields what a program is to do before it begins.
    """
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]
    root = os.geteuid() == 0
    if root and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield None
        finally:
            subprocess.run(["umount", str(where)], check=True)
        return

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8, size // 8))

    yield limit
