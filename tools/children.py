"""Programs that are run, waited for, and asked what they cost."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended."""

    code: int
    out: bytes
    said: str
    """What it wrote to standard error."""
    cpu_seconds: float
    """Of processor time, user and system, of all its threads and of children it waited for."""

    @property
    def last_words(self) -> str:
        """The last line of standard error, which is where programs say what was wrong."""
        lines = self.said.strip().splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}, and not a word"


def run_child(command: list[str], environment: Mapping[str, str] | None = None) -> Finished:
    """Run a program to its end, with more in its environment. OSError where it cannot be started.

    The system keeps account of a child until it is waited for; wait4 hands that account over, of
    this child alone, where getrusage(RUSAGE_CHILDREN) would add up all there ever were.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(environment or {})},
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Finished(
            process.returncode,
            out.read(),
            err.read().decode(errors="replace"),
            usage.ru_utime + usage.ru_stime,
        )
