"""What works on this machine, proved by running it."""

from __future__ import annotations

from streamvpr.config import ModelOptions
from streamvpr.doctor import decoding, geometry, inference, machine, packages
from streamvpr.doctor.checks import Check
from streamvpr.doctor.report import as_json, as_text


def examine(options: ModelOptions | None = None) -> list[Check]:
    """Try everything that a run needs, and what this build knows beyond that."""
    chosen = options or ModelOptions()
    return [
        *packages.check(),
        *machine.check(),
        *decoding.check(),
        *inference.check(chosen),
        *geometry.check(chosen.model),
    ]


def exit_code(checks: list[Check]) -> int:
    """0 where all that is needed works, else the contract's code of the first that does not."""
    broken = (check for check in checks if check.needed and check.works is False)
    return next((check.exit_code for check in broken), 0)


__all__ = ["Check", "as_json", "as_text", "examine", "exit_code"]
