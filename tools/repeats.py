#!/usr/bin/env python3
"""Whether the same input gives the same output: again, on other threads, on other processors.

    python tools/repeats.py [SOURCE ...]
    python tools/repeats.py --emulate Haswell --emulate Nehalem

Without SOURCE the flight of `streamvpr demo` is the input. One run of `streamvpr run` is compared
with others: again, with other numbers of threads and batches, with another seed of Python's hashes,
on one core. All that they print and all files that they write, pictures too, must be the same,
byte for byte; only run.toml and summary.json may differ, which hold options and times.

Other processors take other instructions, and sums come out in another order. They are tried in two
ways: libraries that can be told (NumPy, OpenBLAS, OpenCV, faiss) are told to do with the oldest,
and with `--emulate CPU` the whole program runs in qemu's emulation of that processor (qemu-x86_64
must be installed; a quarter of an hour). There the records must agree as tools/compare_records.py
asks for, which compares those of real machines, too.

A Markdown table goes to standard output; exit code 1 where something differs. Options after `--` go
to `streamvpr run`. Linux, and streamvpr with ONNX Runtime.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import compare_records
import msgspec
from children import run_child
from courses import STREAMVPR, render_line

from streamvpr.demo import FPS, flight
from streamvpr.machine import this_machine
from streamvpr.media import encode_video
from streamvpr.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Files of a run that hold its options or its times.
OWN = {"run.toml", "summary.json"}
EMULATORS = ("qemu-x86_64", "qemu-x86_64-static")
OLDEST = {
    "FAISS_OPT_LEVEL": "generic",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512_SKX",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENCV_CPU_DISABLE": "AVX,FP16,AVX2,FMA3,AVX512-SKX",
}
"""What tells each library to do without the newer instructions."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A run that must come to the same."""

    name: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    launcher: tuple[str, ...] = ()
    """What the command begins with: an emulator, or what binds it to a core."""
    exact: bool = True
    """Byte for byte; else as far as records of two processors agree."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a run printed, and the files it wrote."""

    records: bytes
    files: Mapping[str, bytes]


COLUMNS = ("run", "same bytes", "decided otherwise", "score", "confidence")
"""The last two: the largest difference."""
SAME = (
    Variant("again"),
    Variant("one thread", ("--threads", "1")),
    Variant("three threads", ("--threads", "3")),
    Variant("one picture at a time", ("--batch-size", "1")),
    Variant("seven pictures at a time", ("--batch-size", "7")),
    Variant("other hashes", environment={"PYTHONHASHSEED": "7"}),
    Variant("one core", launcher=("taskset", "--cpu-list", "0")),
)
OTHER = (Variant("libraries told to take old instructions", environment=OLDEST, exact=False),)


def main(arguments: list[str] | None = None) -> int:
    """Run, compare, print; 1 where something differs."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="streamvpr-repeats-") as folder:
        sources = options.sources or [make_flight(Path(folder))]
        command = ["run", *sources, "--records", "queries", "--quiet", *options.options]
        first = run(command, Variant("first"), Path(folder) / "first")
        print(f"{this_machine()}\n")
        print(render_line(list(COLUMNS)), end="")
        print(render_line(["---"] * len(COLUMNS)), end="", flush=True)
        return int(not all(list(compare_all(options, command, first, Path(folder)))))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="*", metavar="SOURCE")
    parser.add_argument("--emulate", action="append", default=[], metavar="CPU")
    own, after = split(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(own)
    options.options = after
    return options


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after `--`."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def make_flight(folder: Path) -> str:
    """The video of `streamvpr demo`."""
    path = folder / "flight.mp4"
    encode_video(path, flight(), fps=FPS)
    return str(path)


def compare_all(
    options: argparse.Namespace, command: list[str], first: Output, folder: Path
) -> Iterator[bool]:
    """A line of the table for each variant; whether it came to the same."""
    for number, variant in enumerate((*SAME, *OTHER, *map(emulation, options.emulate))):
        if variant.launcher and shutil.which(variant.launcher[0]) is None:
            print(render_line([variant.name, f"{variant.launcher[0]} is not here"]), end="")
            yield variant.launcher[0] not in EMULATORS
            continue
        yield compare(variant, first, run(command, variant, folder / str(number)))


def emulation(cpu: str) -> Variant:
    """The program in qemu's emulation of a processor, as `qemu-x86_64 -cpu help` names it."""
    emulator = next((name for name in EMULATORS if shutil.which(name)), EMULATORS[0])
    return Variant(f"{cpu}, emulated", launcher=(emulator, "-cpu", cpu), exact=False)


def run(command: list[str], variant: Variant, folder: Path) -> Output:
    """Run streamvpr to its end. Raises SystemExit with its last words where it fails."""
    started = [*variant.launcher, *STREAMVPR, *command, *variant.options]
    done = run_child([*started, "--output-dir", str(folder)], variant.environment)
    if done.code != 0:
        raise SystemExit(f"repeats: {variant.name}: {done.last_words}")
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in OWN
    }
    return Output(done.out, files)


def compare(variant: Variant, first: Output, other: Output) -> bool:
    """Print a line of the table; whether the variant came to the same."""
    same = first == other
    found = compare_records.compare(records_of(first), records_of(other))
    otherwise = [f"{d.record}: {d.field} {d.one}, {d.other}" for d in found.differences]
    cells = [
        variant.name,
        "yes" if same else "no",
        "; ".join(otherwise[:3]) or f"0 of {found.queries}",
        f"{found.largest_score:.1g}",
        f"{found.largest_confidence:.1g}",
    ]
    print(render_line(cells), end="", flush=True)
    return same if variant.exact else found.same


def records_of(output: Output) -> list[Record]:
    """One for each frame, and the closures."""
    queries = [msgspec.json.decode(line, type=Record) for line in output.records.splitlines()]
    closures = output.files.get("loop_closures.json", b"[]")
    return [*queries, *msgspec.json.decode(closures, type=list[Record])]


if __name__ == "__main__":
    sys.exit(main())
