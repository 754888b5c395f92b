"""What of this machine a run may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.doctor.checks import Check
from streamvpr.embedding.cores import CGROUPS, OWN_CGROUP, cpu_quota, own_groups, usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMINFO = Path("/proc/meminfo")
# Names of the limit and of what is used, below the control group; the newer ones first.
LIMITS = (
    ("{group}/memory.max", "{group}/memory.current"),
    ("memory/{group}/memory.limit_in_bytes", "memory/{group}/memory.usage_in_bytes"),
)


def check() -> list[Check]:
    """Cores and memory."""
    return [_cores(), _memory()]


def _cores() -> Check:
    usable, allowed, total = usable_cores(), len(os.sched_getaffinity(0)), os.cpu_count()
    quota = cpu_quota(CGROUPS, own_groups(OWN_CGROUP))
    granted = "" if quota is None else f", and the control group grants {quota:g}"
    detail = f"{usable} for the model; {allowed} of {total} CPUs may be used{granted}"
    values = {"usable": usable, "allowed": allowed, "total": total, "quota": quota}
    return Check("cores", True, detail, values=values)


def _memory() -> Check:
    total, free = free_memory(MEMINFO, CGROUPS, own_groups(OWN_CGROUP))
    if total is None or free is None:
        return Check("free-memory", None, "the system does not say", needed=False)
    values = {"total_bytes": total, "free_bytes": free}
    detail = f"{free / 1e6:,.0f} of {total / 1e6:,.0f} MB"
    return Check("free-memory", True, detail, needed=False, values=values)


def free_memory(
    meminfo: Path, root: Path, groups: list[str]
) -> tuple[int, int] | tuple[None, None]:
    """(all, free) bytes, of the machine or of the control group that grants the least."""
    machine = _of_machine(meminfo)
    if machine is None:
        return None, None
    # A group without a limit of its own says a number beyond any memory.
    granted = [one for group in groups for one in _granted(root, group.lstrip("/"))]
    total = min(machine[0], *(limit for limit, _ in granted), machine[0])
    return total, max(0, min([machine[1], *(limit - used for limit, used in granted)]))


def _of_machine(meminfo: Path) -> tuple[int, int] | None:
    lines = dict(line.split(":", 1) for line in (_read(meminfo) or "").splitlines() if ":" in line)
    try:
        total, free = (int(lines[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError):
        return None
    return total * 1024, free * 1024


def _granted(root: Path, group: str) -> Iterator[tuple[int, int]]:
    """(limit, used) bytes of a control group that has a limit."""
    for names in LIMITS:
        limit, used = (_read(root / name.format(group=group)) or "" for name in names)
        if limit.isdecimal() and used.isdecimal():
            yield int(limit), int(used)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
