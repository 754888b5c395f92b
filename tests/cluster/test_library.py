"""A cluster in a program of one's own: one run after the other, and Ray as it was."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import streamvpr

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(90)

PROGRAM = """
import asyncio, sys
import ray, streamvpr

async def found(address):
    options = {"model": sys.argv[2], "fps": 0, "threads": 1, "top_k": 2, "cluster": address}
    return [d.verdict async for d in streamvpr.decide(sys.argv[1], **options)]

async def first(address):
    options = {"model": sys.argv[2], "fps": 0, "threads": 1, "top_k": 2, "cluster": address}
    async for closure in streamvpr.run(sys.argv[1], **options):
        return closure.query_idx

address = sys.argv[3]
print(asyncio.run(first(address)))
assert not ray.is_initialized()
print(*asyncio.run(found(address)))
assert not ray.is_initialized()
ray.init(address, log_to_driver=False, logging_level="error")
print(*asyncio.run(found("auto")))
assert ray.is_initialized()
"""


def test_one_run_follows_the_other_and_a_connection_is_left_as_it_is(
    nodes: Any, tiny_model: Path, flight: Any
) -> None:
    arguments = [str(flight.path), str(tiny_model), nodes.address]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, verdicts, again = done.stdout.splitlines()
    options: dict[str, Any] = {"model": str(tiny_model), "fps": 0, "threads": 1, "top_k": 2}
    decisions = asyncio.run(_decisions(str(flight.path), options))
    assert verdicts == again == " ".join(d.verdict for d in decisions)
    assert int(first) == next(d.query.index for d in decisions if d.accepted)


async def _decisions(source: str, options: dict[str, Any]) -> list[streamvpr.Decision]:
    return [decision async for decision in streamvpr.decide(source, **options)]
