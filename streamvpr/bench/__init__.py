"""Where the time of a frame goes, beside what it must cost at the least."""

from __future__ import annotations

from typing import Any

import msgspec

from streamvpr.bench.against import Against, compare
from streamvpr.bench.measuring import Bench, own_folder
from streamvpr.bench.report import Report, make_report, read_report
from streamvpr.bench.table import as_table


def as_json(report: Report, against: Against | None = None) -> str:
    """One JSON object; the comparison under `against` where there is one."""
    found: dict[str, Any] = msgspec.to_builtins(report)
    if against is not None:
        found["against"] = msgspec.to_builtins(against)
    return msgspec.json.encode(found).decode()


__all__ = [
    "Against",
    "Bench",
    "Report",
    "as_json",
    "as_table",
    "compare",
    "make_report",
    "own_folder",
    "read_report",
]
