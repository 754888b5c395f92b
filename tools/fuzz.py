#!/usr/bin/env python3
"""Mutated inputs by the thousand: nothing but the documented errors may come of them.

    python tools/fuzz.py --runs 10000 --seed 1 --jobs 2
    python tools/fuzz.py --runs 10000 --seed 1 --seeds flight.mp4 photo.jpg
    python tools/fuzz.py --target video --only 137 --seed 1      one again, with what it says

Small files of every kind that the program reads are made here (and `--seeds` are your own, of which
the first packets are taken), changed as damage and strangers change them (mutations.py), and given
to the program's own commands (fuzz_targets.py), each in a process of its own that is forked from
this one, which has loaded everything. Each must end

- with an exit code that is documented for what a user can cause: 0, 2, 3, 4, 5;
- with a line that begins `streamvpr: error: ` where it is not 0, and without a traceback;
- with JSON lines alone on standard output, where the command prints records;
- within SECONDS, and without taking more than MEGABYTES beyond what was loaded.

What does not is kept below `--output` with the command that repeats it. An input is known by
(--seed, target, number) and the files given by --seeds. One JSON object goes to standard output;
the exit code is 1 where anything was wrong. Needs the extras test, cpu, camera and web.

Coverage does not guide it: atheris, which does that for Python, instruments Python alone, and what
reads these files is FFmpeg, OpenCV, SQLite and ONNX Runtime, built without it. What is written in
Python is small enough for mutations that know its formats.
"""

from __future__ import annotations

import argparse
import atexit
import collections
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(variable, "1")

# Loaded once here, and not by each process.
import cv2  # noqa: E402
import fuzz_targets  # noqa: E402
import onnxruntime  # noqa: E402, F401
from fuzz_targets import LOOPBACK, Target, Workshop  # noqa: E402

from streamvpr import cli  # noqa: E402

DOCUMENTED = frozenset({0, 2, 3, 4, 5})
SECONDS = 30.0
MEGABYTES = 1024
# Reserved and touched are two things; beyond this an allocation fails instead of the machine.
RESERVED_BYTES = 6 << 30
# Bytes of what it said that are looked at.
MOST_SAID = 1 << 20
PRINTS_RECORDS = frozenset({"video", "streams", "images", "settings", "card", "model", "records"})
START_SECONDS = 60.0


@dataclass(slots=True)
class Tally:
    """What came of the inputs of one target."""

    inputs: int = 0
    well: int = 0
    """Exit code 0."""
    documented: int = 0
    """An error that is documented."""
    undocumented: int = 0
    """Any other exit code, a traceback, no error line, or no JSON on standard output."""
    killed: int = 0
    """By a signal."""
    too_long: int = 0
    too_large: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    longest_seconds: float = 0.0
    largest_megabytes: int = 0
    """Beyond what was loaded."""

    @property
    def bad(self) -> int:
        """Inputs that did what none may do."""
        return self.undocumented + self.killed + self.too_long + self.too_large


@dataclass(slots=True)
class Job:
    """One input that is being tried."""

    target: Target
    number: int
    process: int
    folder: Path
    began: float
    late: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How it ended."""

    code: int
    """Negative for a signal."""
    seconds: float
    megabytes: int
    late: bool


class Fuzzer:
    """Tries inputs, some at a time, and counts what comes of them."""

    def __init__(self, workshop: Workshop, seed: int, output: Path, seeds: list[Path]) -> None:
        self._workshop = workshop
        self._seed = seed
        self._output = output
        self._seeds = seeds
        self._jobs: list[Job] = []
        self.tallies: dict[str, Tally] = collections.defaultdict(Tally)
        self.faults: list[str] = []

    def run(self, inputs: list[tuple[Target, int]], jobs: int) -> None:
        """Try them all, or those until Ctrl-C."""
        try:
            for target, number in inputs:
                while len(self._jobs) >= jobs:
                    self._collect()
                self._jobs.append(self._start(target, number))
            while self._jobs:
                self._collect()
        except KeyboardInterrupt:
            for job in self._jobs:
                os.kill(job.process, signal.SIGKILL)
                os.waitpid(job.process, 0)

    def _start(self, target: Target, number: int) -> Job:
        folder = Path(tempfile.mkdtemp(prefix="input-", dir=self._workshop.folder))
        began = time.monotonic()
        process = os.fork()
        if process == 0:
            _try(target, self._workshop, folder, self._seed, number)
        return Job(target, number, process, folder, began)

    def _collect(self) -> None:
        """Wait for one to end."""
        while True:
            for job in self._jobs:
                process, status, used = os.wait4(job.process, os.WNOHANG)
                seconds = time.monotonic() - job.began
                if process:
                    self._jobs.remove(job)
                    code = os.waitstatus_to_exitcode(status)
                    end = End(code, seconds, used.ru_maxrss // 1024 - LOADED, job.late)
                    self._judge(job, end)
                    shutil.rmtree(job.folder, ignore_errors=True)
                    return
                if seconds > SECONDS and not job.late:
                    job.late = True
                    os.kill(job.process, signal.SIGKILL)
            time.sleep(0.002)

    def _judge(self, job: Job, end: End) -> None:
        tally = self.tallies[job.target.name]
        tally.inputs += 1
        tally.codes[str(end.code)] = tally.codes.get(str(end.code), 0) + 1
        tally.longest_seconds = max(tally.longest_seconds, round(end.seconds, 1))
        tally.largest_megabytes = max(tally.largest_megabytes, end.megabytes)
        wrong = ""
        if end.late or end.code == -signal.SIGXCPU:
            tally.too_long += 1
            wrong = f"took longer than {SECONDS:g} s"
        elif end.megabytes > MEGABYTES or _ran_out(job.folder):
            tally.too_large += 1
            wrong = f"took {end.megabytes} MB"
        elif end.code < 0:
            tally.killed += 1
            wrong = f"was killed by signal {-end.code}"
        elif (wrong := _undocumented(job, end.code)) != "":
            tally.undocumented += 1
        elif end.code == 0:
            tally.well += 1
        else:
            tally.documented += 1
        if wrong:
            self._keep(job, wrong)

    def _keep(self, job: Job, wrong: str) -> None:
        kept = self._output / f"{job.target.name}-{job.number}"
        shutil.copytree(job.folder, kept, dirs_exist_ok=True, symlinks=True)
        line = ["python tools/fuzz.py --target", job.target.name, "--only", str(job.number)]
        line += ["--seed", str(self._seed)]
        line += ["--seeds", *map(str, self._seeds)] if self._seeds else []
        command = " ".join(line)
        (kept / "again.txt").write_text(f"{command}\n{wrong}\n", encoding="utf-8")
        self.faults.append(f"{job.target.name} {job.number}: {wrong}")
        print(f"{job.target.name} {job.number} {wrong}; kept in {kept}", file=sys.stderr)


def _try(target: Target, workshop: Workshop, folder: Path, seed: int, number: int) -> None:
    """In the new process: try the input, and end it with the exit code that the program has."""
    code = 1
    try:
        os.chdir(folder)
        for name, descriptor in (("out", 1), ("err", 2)):
            opened = os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(opened, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        soft = int(SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 5))
        resource.setrlimit(resource.RLIMIT_AS, (RESERVED_BYTES, RESERVED_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = fuzz_targets.attempt(target, workshop, folder, seed, number)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _said(folder: Path, name: str) -> str:
    try:
        with (folder / name).open("rb") as file:
            return file.read(MOST_SAID).decode("utf-8", "replace")
    except OSError:
        return ""


def _ran_out(folder: Path) -> bool:
    said = _said(folder, ".err")
    return "MemoryError" in said or "bad_alloc" in said


def _undocumented(job: Job, code: int) -> str:
    """What is wrong with how it ended; empty for nothing."""
    said = _said(job.folder, ".err")
    if code not in DOCUMENTED:
        last = said.strip().splitlines()[-1:] or [""]
        return f"ended with {code}: {last[0][:300]}"
    if "Traceback (most recent call last)" in said:
        return f"ended with {code} and a traceback"
    lines = [line for line in said.splitlines() if line.strip()]
    if code and not any(line.startswith("streamvpr: error: ") for line in lines[-1:]):
        return f"ended with {code} and no error line: {(lines or [''])[-1][:200]}"
    if job.target.name in PRINTS_RECORDS:
        try:
            for line in _said(job.folder, ".out").splitlines():
                json.loads(line, parse_constant=_refuse)
        except ValueError as error:
            return f"printed what is no JSON: {error}"
    return ""


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


class Page:
    """A run whose live page stays, in a process of its own."""

    def __init__(self, workshop: Workshop) -> None:
        with socket.create_server((LOOPBACK, 0)) as found:
            self.port: int = found.getsockname()[1]
        self._log = workshop.folder / "page.log"
        line = ["run", str(workshop.film), "--model", str(workshop.model), "--threads", "1"]
        line += ["--serve", str(self.port), "--keep-serving"]
        self._process = os.fork()
        if self._process == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            opened = os.open(self._log, os.O_WRONLY | os.O_CREAT)
            for descriptor in (1, 2):
                os.dup2(opened, descriptor)
            code = 1
            try:
                code = cli.run_command(line)
            finally:
                os._exit(code)
        # Also where this process ends by an error of its own.
        atexit.register(self._kill)
        deadline = time.monotonic() + START_SECONDS
        while "its page stays" not in self._said():
            if time.monotonic() > deadline or self._ended():
                raise SystemExit(f"there is no page: {self._said()}")
            time.sleep(0.05)

    def stop(self) -> list[str]:
        """End it; what was wrong with it."""
        if self._ended():
            return ["http: the page has ended"]
        os.kill(self._process, signal.SIGTERM)
        _, status, used = os.wait4(self._process, 0)
        atexit.unregister(self._kill)
        faults = [f"http: {line}" for line in self._said().splitlines() if ": error: " in line]
        megabytes = used.ru_maxrss // 1024 - LOADED
        if os.waitstatus_to_exitcode(status) or megabytes > MEGABYTES:
            faults.append(f"http: the page ended with {status} and took {megabytes} MB")
        return faults

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)

    def _ended(self) -> bool:
        return os.waitpid(self._process, os.WNOHANG)[0] != 0

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def make_inputs(targets: list[Target], runs: int, only: int | None) -> list[tuple[Target, int]]:
    """Which inputs of which targets: of `runs` each its share, in turn."""
    if only is not None:
        return [(targets[0], only)]
    whole = sum(target.share for target in targets)
    counts = {target.name: max(1, runs * target.share // whole) for target in targets}
    counts[targets[0].name] += max(0, runs - sum(counts.values()))
    inputs = [
        (number / counts[target.name], target, number)
        for target in targets
        for number in range(counts[target.name])
    ]
    inputs.sort(key=lambda one: one[0])
    return [(target, number) for _, target, number in inputs][:runs]


def main() -> int:
    """Entry point of the tool."""
    global LOADED
    args = _parsed()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    output = args.output or Path(tempfile.mkdtemp(prefix="streamvpr-fuzz-"))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="streamvpr-fuzz-") as folder:
        workshop, page = _prepared(Path(folder), args)
        targets = fuzz_targets.make_targets(workshop, args.seeds)
        if args.target:
            targets = [target for target in targets if target.name == args.target]
        LOADED = _resident_megabytes()
        fuzzer = Fuzzer(workshop, args.seed, output, args.seeds)
        inputs = make_inputs(targets, args.runs, args.only)
        fuzzer.run(inputs[args.skip :], args.jobs)
        faults = fuzzer.faults + ([] if page is None else page.stop())
        if args.only is not None:
            _show(output)
    bad = sum(tally.bad for tally in fuzzer.tallies.values())
    found = {
        "seed": args.seed,
        "inputs": sum(tally.inputs for tally in fuzzer.tallies.values()),
        "bad": bad,
        "seconds": round(time.monotonic() - began),
        "targets": {name: asdict(tally) for name, tally in sorted(fuzzer.tallies.items())},
        "faults": faults[:200],
    }
    print(json.dumps(found, indent=1))
    return 1 if bad or faults else 0


LOADED = 0
"""Megabytes of this process when all is loaded."""


def _prepared(folder: Path, args: argparse.Namespace) -> tuple[Workshop, Page | None]:
    cv2.setNumThreads(1)
    workshop = fuzz_targets.make_workshop(folder / "workshop")
    os.environ["STREAMVPR_MODELS"] = str(workshop.folder)
    # What an address among the seeds takes its login from.
    os.environ.update(CAM_USER="user", CAM_PASSWORD="pass")
    _in_a_process(workshop)
    page = None
    if args.target in (None, "http"):
        page = Page(workshop)
        workshop.page = page.port
    return workshop, page


def _resident_megabytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() >> 20


def _in_a_process(workshop: Workshop) -> None:
    """Fill the workshop elsewhere: this process must have no threads when it is forked."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            for descriptor in (1, 2):
                os.dup2(
                    os.open(workshop.folder / "filling.log", os.O_WRONLY | os.O_CREAT), descriptor
                )
            fuzz_targets.fill_workshop(workshop)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    if status:
        raise SystemExit((workshop.folder / "filling.log").read_text(errors="replace"))


def _show(output: Path) -> None:
    for path in sorted(output.glob("*/.err")):
        sys.stderr.write(path.read_text(errors="replace")[-4000:])


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="inputs in all (1000)")
    parser.add_argument("--seed", type=int, default=1, help="other inputs with each (1)")
    parser.add_argument("--target", help="inputs of this one alone")
    parser.add_argument("--only", type=int, metavar="N", help="the input of that number alone")
    parser.add_argument(
        "--skip", type=int, default=0, metavar="N", help="not the first N again, after Ctrl-C"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (1)")
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], help="films and pictures, too")
    parser.add_argument("--output", type=Path, help="where what fails is kept (a new folder)")
    args = parser.parse_args()
    if args.only is not None and args.target is None:
        parser.error("--only needs --target")
    args.seeds = [file for given in args.seeds for file in _files(given)]
    return args


def _files(given: Path) -> list[Path]:
    return sorted(given.iterdir()) if given.is_dir() else [given]


if __name__ == "__main__":
    sys.exit(main())
