"""What a machine is, as far as figures depend on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

CPUINFO = Path("/proc/cpuinfo")
# Of several that bring one module, the one that is installed.
PACKAGES = (
    *("numpy", "opencv-python-headless", "opencv-python"),
    *("onnxruntime", "onnxruntime-gpu", "av"),
)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Processor, system and libraries."""

    processor: str
    cpus: int
    """So many of them this process may use."""
    system: str
    python: str
    packages: dict[str, str]
    """Versions, by name."""

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return f"{self.cpus} cores of {self.processor}, Python {self.python}, {versions}"


def this_machine() -> Machine:
    """The one that this runs on."""
    return Machine(
        processor=processor(),
        cpus=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages=installed(PACKAGES),
    )


def processor() -> str:
    """Its name, as Linux says it, else its architecture."""
    try:
        described = CPUINFO.read_text(encoding="utf-8")
    except OSError:
        described = ""
    named = re.search(r"^model name\s*: (.+)$", described, re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def installed(names: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed, by name."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
