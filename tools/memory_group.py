"""A control group with so much memory and no swap, for one program (cgroups(7), version 1 or 2)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
NAME = "streamvpr-budget"


@dataclass(frozen=True, slots=True)
class Names:
    """What the files of a version of control groups are called."""

    version: int
    limit: str
    without_swap: tuple[str, str]
    """Where swap is forbidden, and what is written there; `{}` stands for the limit."""
    peak: str
    killed: str
    """Holds a line `oom_kill N`."""


FIRST = Names(
    1,
    "memory.limit_in_bytes",
    ("memory.memsw.limit_in_bytes", "{}"),
    "memory.max_usage_in_bytes",
    "memory.oom_control",
)
SECOND = Names(2, "memory.max", ("memory.swap.max", "0"), "memory.peak", "memory.events")


class MemoryGroup:
    """A group of its own below that of this process; gone at the end."""

    def __init__(self, path: Path, names: Names, limit: int) -> None:
        """Make it. Raises OSError where that is not allowed."""
        self.path = path
        self.version = names.version
        self._names = names
        path.mkdir()
        try:
            (path / names.limit).write_text(str(limit))
            forbidden, value = names.without_swap
            # Kernels without accounting for swap lack the file.
            if (path / forbidden).exists():
                (path / forbidden).write_text(value.format(limit))
        except OSError:
            path.rmdir()
            raise

    def command(self, command: list[str]) -> list[str]:
        """The command, as one that enters the group first."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', f"{self.path}/cgroup.procs", *command]

    @property
    def peak(self) -> int | None:
        """The most that all in it had, in bytes, with files that the system keeps in memory while
        nobody else wants it; None where the kernel does not say."""
        return _number(self.path / self._names.peak)

    @property
    def killed(self) -> int:
        """How many programs of it the system ended, as there was no more."""
        lines = (self.path / self._names.killed).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def close(self) -> None:
        """Remove it, once nothing is in it."""
        with suppress(OSError):
            self.path.rmdir()


def make_group(limit: int) -> MemoryGroup | None:
    """A group with so many bytes; None where this process may not make one."""
    for parent, names in _parents():
        with suppress(OSError):
            return MemoryGroup(parent / f"{NAME}-{os.getpid()}", names, limit)
    return None


def _parents() -> list[tuple[Path, Names]]:
    """Where a group might be made: below this process's own."""
    found = []
    for line in OWN.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "memory":
            found.append((ROOT / "memory" / group.lstrip("/"), FIRST))
        elif not controllers:
            found.append((ROOT / group.lstrip("/"), SECOND))
    return found


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
