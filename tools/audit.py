#!/usr/bin/env python3
"""Licences of what is installed beside this interpreter, and what is known to be wrong with it.

    python tools/audit.py

pip-licenses lists the licences; one that is not of the kinds below ends with exit code 1. pip-audit
asks the package index for published vulnerabilities; a known one ends with exit code 1 too. An
index that keeps no such list, or that cannot be reached, is told in one line and is no failure: it
says nothing about the packages.

It needs pip-licenses and pip-audit, which the extra `check` brings.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import msgspec

ALLOWED = (
    "0BSD",
    "Apache",
    "BSD",
    "EPL-2.0",
    "ISC",
    "MIT",
    "MPL",
    "Mozilla Public License",
    "PSF",
    "Python Software Foundation",
    "Unlicense",
    "Zlib",
)
"""Kinds of licences, one of which must be named by each package."""


class Vulnerability(msgspec.Struct, frozen=True):
    """One that is published."""

    id: str
    fix_versions: list[str] = []


class Package(msgspec.Struct, frozen=True):
    """What pip-audit says of a package."""

    name: str
    version: str | None = None
    vulns: list[Vulnerability] = []
    skip_reason: str | None = None


class Report(msgspec.Struct, frozen=True):
    """What pip-audit prints."""

    dependencies: list[Package]


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of asking."""

    audited: int
    """Packages that the index knows something of, be it that there is nothing."""
    skipped: int
    known: tuple[str, ...]
    """Vulnerabilities, as `name version: id (mended in version)`."""


def main() -> int:
    """List, ask, print; 1 for a licence that is not allowed or a known vulnerability."""
    licences = subprocess.run(licences_command(), check=False)
    asked = subprocess.run(audit_command(), capture_output=True, text=True, check=False)
    found = read_audit(asked.stdout)
    print(summary(found, asked.stderr))
    return int(licences.returncode != 0 or (found is not None and bool(found.known)))


def licences_command() -> list[str]:
    """A table of all packages; it fails with one that is not allowed."""
    table = ["--from=mixed", "--order=license", "--format=markdown"]
    allowed = ["--partial-match", f"--allow-only={';'.join(ALLOWED)}"]
    return [sys.executable, "-m", "piplicenses", *table, *allowed]


def audit_command() -> list[str]:
    """Ask the package index about all packages."""
    return [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--format=json"]


def read_audit(printed: str) -> Audit | None:
    """What pip-audit found; None where it could not ask."""
    try:
        report = msgspec.json.decode(printed, type=Report)
    except msgspec.DecodeError:
        return None
    asked = [package for package in report.dependencies if package.skip_reason is None]
    return Audit(
        audited=len(asked),
        skipped=len(report.dependencies) - len(asked),
        known=tuple(
            f"{package.name} {package.version}: {vulnerability.id} "
            f"(mended in {', '.join(vulnerability.fix_versions) or 'no version'})"
            for package in asked
            for vulnerability in package.vulns
        ),
    )


def summary(found: Audit | None, said: str) -> str:
    """What to print of it."""
    if found is None:
        last = said.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        return f"not audited, the package index could not be asked: {last[0]}"
    if not found.audited:
        return f"not audited, the package index publishes nothing about any of {found.skipped}"
    lines = [f"{found.audited} packages audited, {found.skipped} unknown to the package index"]
    return "\n".join([*lines, *found.known])


if __name__ == "__main__":
    sys.exit(main())
