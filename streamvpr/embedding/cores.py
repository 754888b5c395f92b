"""How many threads a model may well take on this machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CPUS = Path("/sys/devices/system/cpu")
OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may use, 1 or more.

    ONNX Runtime itself counts those of the machine: in a container that is given two of 64 it would
    start 64 threads that wait for each other.
    """
    mine = os.sched_getaffinity(0)
    quota = cpu_quota(CGROUPS, own_groups(OWN_CGROUP))
    cores = count_cores(mine, CPUS)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def count_cores(cpus: set[int], root: Path) -> int:
    """Physical cores among `cpus`, 1 or more: two threads of one core share its arithmetic."""
    siblings = {_read(root / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in cpus}
    return max(1, len(siblings))


def own_groups(path: Path) -> list[str]:
    """Paths of this process's control groups of CPU time, `/` first."""
    found = ["/"]
    for line in (_read(path) or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            found += [str(parent) for parent in (Path(group), *Path(group).parents)]
    return list(dict.fromkeys(found))


def cpu_quota(root: Path, groups: list[str]) -> float | None:
    """Least CPU time, in cores, that one of the groups grants; None where none limits it."""
    quotas = [_quota(root, group.lstrip("/")) for group in groups]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(root: Path, group: str) -> float | None:
    unified = (_read(root / group / "cpu.max") or "").split()
    older = [
        _read(root / "cpu" / group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")
    ]
    for parts in (unified, older):
        if len(parts) == 2 and all(part.isdecimal() for part in parts) and int(parts[1]) > 0:
            return int(parts[0]) / int(parts[1])
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
