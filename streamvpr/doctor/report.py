"""Checks as lines, for machines and for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.doctor.checks import Check

MARKS = {True: "ok", False: "no", None: "--"}


def as_json(checks: list[Check]) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(asdict(check)) for check in checks)


def as_text(checks: list[Check]) -> str:
    """For people: those of one kind that went alike share a line."""
    return "\n".join(line for _, alike in groupby(checks, _likeness) for line in _lines([*alike]))


def _likeness(check: Check) -> tuple[object, ...]:
    kind, _, name = check.name.partition(" ")
    return kind, bool(name), _mark(check), _detail(check), check.remedy


def _lines(alike: list[Check]) -> Iterator[str]:
    """`device cuda` and `device tensorrt` make `device cuda, tensorrt`."""
    first = alike[0]
    others = "".join(f", {check.name.partition(' ')[2]}" for check in alike[1:])
    detail = _detail(first)
    yield f"{_mark(first):<4} {first.name}{others}: {detail}"
    if first.remedy is not None and first.remedy not in detail:
        yield f"     {first.remedy}"


def _detail(check: Check) -> str:
    """What it says, without its name once more."""
    named = (f"{dashes}{check.name}{end}" for dashes in ("", "--") for end in (": ", " "))
    start = next((start for start in named if check.detail.startswith(start)), "")
    return check.detail.removeprefix(start)


def _mark(check: Check) -> str:
    return "FAIL" if check.needed and check.works is False else MARKS[check.works]
