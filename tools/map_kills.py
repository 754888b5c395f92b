#!/usr/bin/env python3
"""What a map keeps of runs that are killed while they write it.

    python tools/map_kills.py drone/images --runs 200

Runs `streamvpr run SOURCE --map MAP` again and again, twenty times on each map, each killed
(SIGKILL) at a random moment after its first record. After each the map must open, be whole in every
value, have what earlier sessions left, and hold every place whose record was there a second before
the kill. One JSON object goes to standard output; the exit code is 1 where anything was lost.

Options after `--` go to `streamvpr run`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from courses import STREAMVPR

from streamvpr.maps import open_reader
from streamvpr.maps.checking import check_map

# What is older than this is promised to be there.
PROMISED_SECONDS = 1.0
START_SECONDS = 60.0
# Sessions of one map; then another is begun, since every value is read after each.
SESSIONS = 20


@dataclass(slots=True)
class Kills:
    """What came of them."""

    runs: int = 0
    killed: int = 0
    """The others had ended before."""
    places: int = 0
    """That the maps held at the end."""
    promised: int = 0
    """Places whose record was PROMISED_SECONDS old, or whose run had ended."""
    lost: int = 0
    """Of the promised ones."""
    broken: int = 0
    """Maps that did not open, were not whole, or had less of earlier sessions than before."""
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all that was promised held."""
        return not (self.lost or self.broken)


class _Watched:
    """A run whose records are noted with the time at which they came."""

    def __init__(self, command: list[str], said: Path) -> None:
        self._said = said
        with said.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        self._seen: list[tuple[float, int]] = []
        self._first = threading.Event()
        assert self._process.stdout is not None
        self._thread = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._thread.start()

    def kill_after(self, seconds: float) -> bool:
        """Kill it so many seconds after its first record; whether it still ran."""
        self._first.wait(START_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        running = self._process.poll() is None
        if not running and self._process.returncode:
            raise RuntimeError(f"a run ended with {self._process.returncode}: {self._words()}")
        self._at = time.monotonic()
        self._process.kill()
        self._process.wait()
        self._thread.join()
        return running

    def promised(self, *, killed: bool) -> set[int]:
        """Indices of the places that the map must hold."""
        until = self._at - PROMISED_SECONDS if killed else float("inf")
        return {index for at, index in self._seen if at <= until}

    def _words(self) -> str:
        return self._said.read_text(errors="replace").strip()

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                if record["decision"] != "stationary":
                    self._seen.append((time.monotonic(), record["query_idx"]))
            self._first.set()
        self._first.set()


def indices_by_session(path: Path) -> dict[str, set[int]]:
    """Indices of the places of every session of a map."""
    with contextlib.closing(open_reader(path)) as reader:
        found: dict[str, set[int]] = {}
        for name, index in reader.connection.execute(
            "SELECT session.name, idx FROM place JOIN stream ON place.stream = stream.id"
            " JOIN session ON stream.session = session.id"
        ):
            found.setdefault(name, set()).add(index)
        return found


def kill_again_and_again(
    source: str, folder: Path, runs: int, longest: float, options: list[str], seed: int
) -> Kills:
    """So many runs, each killed within `longest` seconds of its first record."""
    chance, kills = random.Random(seed), Kills()
    before: dict[str, set[int]] = {}
    for number in range(runs):
        name, path = f"run-{number}", folder / f"{number // SESSIONS}.vpr"
        if number % SESSIONS == 0:
            before = {}
        command = [*STREAMVPR, "run", source, "--map", str(path), "--session", name]
        command += ["--records", "queries", "--quiet", *options]
        watched = _Watched(command, folder / "said.txt")
        killed = watched.kill_after(chance.uniform(0, longest))
        kills.runs += 1
        kills.killed += killed
        promised = watched.promised(killed=killed)
        kills.promised += len(promised)
        try:
            faults = check_map(path).faults
            after = indices_by_session(path)
        except Exception as error:  # whatever it is, it is a fault of the map
            faults, after = [repr(error)], {}
        for session, indices in before.items():
            if after.get(session, set()) != indices:
                faults.append(f"session {session} had {len(indices)} places before")
        lost = promised - after.get(name, set())
        kills.lost += len(lost)
        kills.broken += bool(faults)
        kills.faults += [f"{name}: {fault}" for fault in faults]
        kills.faults += [f"{name}: lost {sorted(lost)}"] if lost else []
        kills.places += len(after.get(name, set()))
        before = after
    return kills


def main() -> int:
    """Run as a program; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("source", help="what is run, long enough to be killed in")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--longest", type=float, default=4.0, help="seconds before a kill")
    parser.add_argument("--seed", type=int, default=0)
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    args, options = parser.parse_args(given[:end]), given[end + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_again_and_again(
            args.source, Path(folder), args.runs, args.longest, options, args.seed
        )
    print(json.dumps(asdict(kills)))
    return 0 if kills.good else 1


if __name__ == "__main__":
    sys.exit(main())
