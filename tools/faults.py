#!/usr/bin/env python3
"""Whether what docs/reliability.md promises holds, tried on real servers and real processes.

    python tools/faults.py --faults 1000 --kills 200 --folder logs

First one `streamvpr run` reads several cameras at the same time: transport streams over TCP, HTTP
and UDP, and where GStreamer's RTSP server is installed RTSP over TCP and UDP, too. Each of them
suffers one fault after the other (stream_faults.py): it freezes, its bits are flipped, its packets
get lost or change places, connections break within a packet, servers are killed, clocks jump. After
each fault a picture that was taken later must have been decided on within --patience seconds. Then
what goes wrong around the program (program_faults.py): a full disk, a reader that stalls, no
memory, the wall clock, SIGSTOP, SIGKILL.

All the time every record must be whole JSON, in order, and add up; and at the end the file must
hold what was printed, and threads, descriptors and memory must be those of the first laps of ten.

One JSON object goes to standard output: by kind, how many were run, how many recovered, what was
lost, and the slowest recovery in seconds. The exit code is 1 where a promise was broken. Loopback
only. --seed makes the faults repeat, but not what the machine does beside them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from camera import Camera, Coded, encode, lap
from failing_model import make_afraid_of_the_dark
from long_flight import HEIGHT, WIDTH, fly
from program_faults import (
    FAKETIME,
    LIBRARY,
    Kills,
    Outcome,
    Setting,
    fill_disk,
    run_out_of_memory,
    stall_reader,
    step_clock,
    stop_and_continue,
)
from relay import Relay
from rtsp_camera import RtspServer, missing
from squares_model import write_model
from stream_faults import Fault, Views, of_camera, of_relay, of_server
from watched_run import Usage, WatchedRun

from streamvpr import __version__
from streamvpr.machine import this_machine
from streamvpr.media import encode_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamvpr.frames import Image

READ, CONNECT, DELAY = 1.0, 3.0, 0.5
# What docs/reliability.md promises, for these time-outs: a read that waits for nothing, an opening
# whose two parts do, a pause, and two seconds to look at what comes.
PATIENCE = READ + 2 * CONNECT + DELAY + 2.0
OPTIONS = (
    *("--read-timeout", str(READ), "--connect-timeout", str(CONNECT)),
    *("--reconnect-delay", str(DELAY), "--health-every", "2", "--fps", "5", "--top-k", "1"),
    *("--exclude-recent", "10", "--capacity", "60"),
)
HUGE = 6144
# Pictures of what is read from a file: more than a run gets through before it is killed.
FILM = 600
LAPS = 10
# What memory may be more at the end than after the first laps. Those have so many faults of each
# source at the least, so that all places that are kept are there.
MORE_MEMORY, LEAST_A_LAP = 0.05, 8


@dataclass(slots=True)
class Tally:
    """What came of one kind of fault."""

    run: int = 0
    recovered: int = 0
    lost: int = 0
    slowest: float = 0.0
    """Seconds."""

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.run += 1
        self.recovered += outcome.seconds is not None
        self.lost += outcome.lost
        self.slowest = max(self.slowest, outcome.seconds or 0.0)


@dataclass(slots=True)
class Report:
    """What came of all."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Kinds that could not be tried here, and why."""
    figures: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome, where: str = "") -> None:
        """Count one, and say it."""
        kind = f"{outcome.kind} ({where})" if where else outcome.kind
        with self._lock:
            self.kinds.setdefault(kind, Tally()).add(outcome)
            self.breaches += outcome.breaches
            if outcome.seconds is None and not outcome.breaches:
                self.breaches.append(f"{kind}: no recovery within the bound")
            count = sum(tally.run for tally in self.kinds.values())
        took = "never" if outcome.seconds is None else f"{outcome.seconds:.2f} s"
        print(f"{count}: {kind}: {took} {' '.join(outcome.breaches)}", file=sys.stderr, flush=True)

    def as_json(self) -> dict[str, Any]:
        """All of it, for standard output."""
        return {
            "date": datetime.date.today().isoformat(),
            "machine": str(this_machine()),
            "version": __version__,
            "faults": sum(tally.run for tally in self.kinds.values()),
            "recovered": sum(tally.recovered for tally in self.kinds.values()),
            "lost": sum(tally.lost for tally in self.kinds.values()),
            "slowest_s": round(max((t.slowest for t in self.kinds.values()), default=0.0), 2),
            "kinds": {
                kind: {
                    "run": tally.run,
                    "recovered": tally.recovered,
                    "lost": tally.lost,
                    "slowest_s": round(tally.slowest, 2),
                }
                for kind, tally in sorted(self.kinds.items())
            },
            **self.figures,
            "skipped": self.skipped,
            "breaches": self.breaches,
        }


@dataclass(slots=True)
class Source:
    """A source of the run, and what can be done to it."""

    name: str
    transport: str
    url: str
    kinds: dict[str, Fault]


def main(arguments: list[str] | None = None) -> int:
    """Run all, print; 1 where a promise was broken."""
    options = parse(arguments)
    report = Report()
    with ExitStack() as stack:
        folder = options.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        model = make_afraid_of_the_dark(write_model(folder))
        views = Views(lap(), encode(map(_larger, islice(fly(1000), 30))), encode([_dark()] * 30))
        setting = Setting(folder, model, OPTIONS, options.patience, views.usual, huge)
        if options.faults:
            fault_streams(options, setting, views, report)
        fault_program(options, setting, report)
    print(json.dumps(report.as_json()))
    if options.folder is not None:
        print(f"faults: logs are in {options.folder}", file=sys.stderr)
    return int(bool(report.breaches))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=100, help="of streams, in all")
    parser.add_argument("--kinds", nargs="*", help="of faults of streams; all without it")
    parser.add_argument(
        "--sources",
        nargs="*",
        choices=["tcp", "http", "udp", "rtsp", "rtsp-udp"],
        default=["tcp", "http", "udp", "tcp", "udp", "rtsp", "rtsp", "rtsp"],
        help="what is read at the same time; a run has RTSP over TCP or over UDP",
    )
    for name in ("disks", "readers", "memories", "clocks", "stops", "kills"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--patience", type=float, default=PATIENCE, metavar="SECONDS")
    parser.add_argument("--rest", type=float, default=3.0, metavar="SECONDS", help="before a count")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for logs and files; else they are not kept")
    options = parser.parse_args(arguments)
    if {"rtsp", "rtsp-udp"} <= set(options.sources):
        parser.error("--sources: rtsp and rtsp-udp, each needs a run of its own")
    return options


def fault_streams(
    options: argparse.Namespace, setting: Setting, views: Views, report: Report
) -> None:
    """Several sources of one run, each with a fault at a time."""
    with ExitStack() as stack:
        sources = list(_sources(options, setting, views, report, stack))
        file = setting.folder / "records.jsonl"
        given = [f"{source.name}={source.url}" for source in sources]
        given += ["--model", str(setting.model), "--threads", "1", "--jsonl", str(file)]
        if "rtsp-udp" in options.sources:
            given += ["--rtsp-transport", "udp"]
        run = WatchedRun([*given, *setting.options], setting.folder)
        stack.callback(run.end)
        began = time.monotonic()
        for source in sources:
            if run.seconds_until_seen(source.name, began, 60.0) is None:
                report.breaches.append(f"{source.name}: no record at all; {run.words[-1000:]}")
                return
        rests = _Rests(run, len(sources), options.rest)
        laps = max(2, min(LAPS, options.faults // len(sources) // LEAST_A_LAP))
        threads = [
            threading.Thread(
                target=_Suffering(source, run, options, report).suffer, args=(share, laps, rests)
            )
            for source, share in zip(sources, _shares(options.faults, len(sources)), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report.figures["usage"] = rests.judge(report.breaches, long=laps == LAPS)
        code = run.end()
        if code != 0:
            report.breaches.append(f"the run ended with {code}: {run.words[-1000:]}")
        if "Traceback" in run.words:
            report.breaches.append(f"a traceback: {run.words[-3000:]}")
        report.breaches += run.breaches
        _compare_files(run, file, report)
        _count(run, report)


def _shares(faults: int, sources: int) -> list[int]:
    return [faults // sources + (number < faults % sources) for number in range(sources)]


class _Suffering:
    """One source of the run, and the faults that it is to recover from."""

    def __init__(
        self, source: Source, run: WatchedRun, options: argparse.Namespace, report: Report
    ) -> None:
        self._source = source
        self._run = run
        self._patience = options.patience
        self._report = report
        self._chance = random.Random(f"{options.seed} {source.name}")
        wanted = options.kinds or list(source.kinds)
        self._kinds = [kind for kind in source.kinds if kind in wanted]
        self._order: list[str] = []

    def suffer(self, share: int, laps: int, rests: _Rests) -> None:
        """So many faults one after the other, in so many laps, after each of which all rest."""
        for number in range(laps):
            for _ in range(number * share // laps, (number + 1) * share // laps):
                if self._kinds:
                    self._suffer_once()
            rests.wait()

    def _suffer_once(self) -> None:
        kind, source = self._next_kind(), self._source
        try:
            source.kinds[kind](self._chance)
        except Exception as error:  # a server that does not start again, say
            self._report.breaches.append(f"{kind} of {source.name} could not be done: {error!r}")
            return
        well = time.monotonic()
        outcome = Outcome(kind, self._run.seconds_until_seen(source.name, well, self._patience))
        if outcome.seconds is None:
            states = self._run.of(source.name).states[-3:]
            outcome.breaches.append(f"{source.name}: {kind}: no recovery; states {states}")
            # What comes after is another fault's.
            self._run.seconds_until_seen(source.name, well, 60.0)
        self._report.add(outcome, source.transport)
        time.sleep(self._chance.uniform(0.1, 0.6))

    def _next_kind(self) -> str:
        """All kinds come as often, in an order that chance makes."""
        if not self._order:
            self._order = list(self._kinds)
            self._chance.shuffle(self._order)
        return self._order.pop()


class _Rests:
    """What the program has of the system while nothing goes wrong, after each lap of faults."""

    def __init__(self, run: WatchedRun, parties: int, seconds: float) -> None:
        self._run = run
        self._seconds = seconds
        self._usages: list[Usage] = []
        self._barrier = threading.Barrier(parties, self._look)

    def wait(self) -> None:
        """Wait until all sources are here and have been well for a while."""
        self._barrier.wait(300)

    def judge(self, breaches: list[str], *, long: bool) -> dict[str, list[float]]:
        """By lap; what is more in the second half than it was in the first is a breach.

        Threads and memory only of a `long` run: scalers begin threads when pictures of another size
        come, and end them some faults later. Memory's median over the last three laps may be
        MORE_MEMORY more than over the second to the fourth.
        """
        figures = {
            "threads": [float(usage.threads) for usage in self._usages],
            "descriptors": [float(usage.descriptors) for usage in self._usages],
            "resident_mb": [round(usage.resident / 1e6, 1) for usage in self._usages],
        }
        half = (len(self._usages) + 1) // 2
        for what in ("threads", "descriptors") if long else ("descriptors",):
            if max(figures[what][half:]) > max(figures[what][:half]):
                breaches.append(f"{what} grew: {figures[what]}")
        megabytes = figures["resident_mb"]
        if long and median(megabytes[-3:]) > (1 + MORE_MEMORY) * median(megabytes[1:4]):
            breaches.append(f"memory grew: {megabytes}")
        return figures

    def _look(self) -> None:
        time.sleep(self._seconds)
        self._usages.append(self._run.usage())


def _compare_files(run: WatchedRun, file: Path, report: Report) -> None:
    written = file.read_bytes().splitlines(keepends=True)
    if written != run.lines:
        missing = len(set(run.lines) - set(written))
        report.breaches.append(f"{file} is not what was printed: {missing} lines are missing")


def _count(run: WatchedRun, report: Report) -> None:
    for what in ("queries", "closures", "undescribed"):
        report.figures[what] = sum(getattr(seen, what) for seen in run.seen.values())
    tried = any(kind.startswith("undescribable") for kind in report.kinds)
    if tried and not report.figures["undescribed"]:
        report.breaches.append("the model failed on dark pictures, and no record says so")


def _sources(
    options: argparse.Namespace, setting: Setting, views: Views, report: Report, stack: ExitStack
) -> Iterator[Source]:
    reason = missing() if any(kind.startswith("rtsp") for kind in options.sources) else None
    if reason is not None:
        report.skipped["rtsp"] = reason
    for number, transport in enumerate(options.sources):
        name = f"{transport}{number}"
        if not transport.startswith("rtsp"):
            camera = Camera(views.usual, transport)
            stack.callback(camera.close)
            yield Source(name, transport, camera.url, of_camera(camera, views))
        elif reason is None:
            server = RtspServer({"frames": _raw(setting.folder)}, setting.folder / f"{name}.log")
            stack.callback(server.kill)
            server.start()
            if transport == "rtsp":
                relay = Relay(server.port)
                stack.callback(relay.close)
                url = f"rtsp://127.0.0.1:{relay.port}/live"
                yield Source(name, transport, url, of_relay(relay, server))
            else:
                yield Source(name, transport, server.url, of_server(server))


def _raw(folder: Path) -> Path:
    """The flight's first pictures, as the RTSP server takes them."""
    path = folder / "flight.i420"
    if not path.exists():
        with path.open("wb") as file:
            for image in islice(fly(1000), 120):
                file.write(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def fault_program(options: argparse.Namespace, setting: Setting, report: Report) -> None:
    """Faults around the program, each in a run of its own or several in one."""
    chance = random.Random(f"{options.seed} program")
    tried: list[tuple[int, Callable[[Setting, int, random.Random], Outcome]]] = [
        (options.disks, fill_disk),
        (options.readers, stall_reader),
        (options.memories, run_out_of_memory),
        (options.stops, stop_and_continue),
    ]
    if options.clocks and not any((Path(folder) / LIBRARY).exists() for folder in FAKETIME):
        report.skipped["clock step"] = "no libfaketime: apt-get install faketime"
    else:
        tried.append((options.clocks, step_clock))
    kills = Kills(setting, _film(setting.folder)) if options.kills else None
    if kills is not None:
        tried.append((options.kills, kills.kill))
    for count, fault in tried:
        for number in range(count):
            report.add(fault(setting, number, chance))
    if kills is not None:
        report.figures["kills"] = {"printed": kills.printed, "places": kills.places}


def _film(folder: Path) -> Path:
    path = folder / "film.mkv"
    encode_video(path, islice(fly(1000), FILM), fps=25)
    return path


@cache
def huge() -> list[Coded]:
    """Pictures that take 57 MB each."""
    return encode([np.full((HUGE, HUGE, 3), shade, np.uint8) for shade in (100, 120)], gop=1)


def _larger(image: Image) -> Image:
    return np.asarray(cv2.resize(image, (2 * WIDTH, 2 * HEIGHT)), np.uint8)


def _dark() -> Image:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
