"""Whole runs in this process, with the tiny model; an event loop that blocks fails the test."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockBuster

from streamvpr.config import Records, RunOptions
from streamvpr.session import open_online
from streamvpr.sinks import JsonLinesSink, Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamvpr.frames import Decision
    from streamvpr.records import Health, Stream
    from streamvpr.session import Session

HANG_SECONDS = 30


@pytest.fixture(autouse=True)
def _never_blocks_the_event_loop() -> Iterator[None]:
    guard = BlockBuster(scanned_modules="streamvpr")
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture(autouse=True)
def _leaves_no_thread() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ours = [t.name for t in set(threading.enumerate()) - before if "streamvpr" in t.name]
    assert not ours


@dataclass
class Collector(Sink):
    """A sink that keeps what it is given."""

    decisions: list[Decision] = field(default_factory=list)
    reported: list[Decision] = field(default_factory=list)
    events: list[Stream | Health] = field(default_factory=list)
    closed: int = 0

    def write(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def write_closure(self, decision: Decision) -> None:
        self.reported.append(decision)

    def write_event(self, event: Stream | Health) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1

    @property
    def indices(self) -> list[int]:
        return [decision.query.index for decision in self.decisions]

    @property
    def closures(self) -> list[tuple[int, int]]:
        """(query, match) of what was accepted."""
        return [
            (d.query.index, d.match.place.index)
            for d in self.decisions
            if d.accepted and d.match is not None
        ]


@pytest.fixture(scope="session")
def collector() -> Callable[[], Collector]:
    return Collector


@pytest.fixture
def open_session(tiny_model: Path) -> Callable[..., Session]:
    """A session over sources with these sinks; every frame is processed, two candidates each."""

    def make(*sources: object, sinks: list[Any], **options: Any) -> Session:
        known = {"model": str(tiny_model), "fps": 0.0, "threads": 1, "top_k": 2}
        chosen = RunOptions(**{**known, **options})
        return open_online([str(source) for source in sources], chosen, sinks)

    return make


@pytest.fixture(scope="session")
def finish() -> Callable[[Session], None]:
    """Run a session to its end; what would hang fails instead."""

    def run(session: Session) -> None:
        asyncio.run(asyncio.wait_for(session.run(), HANG_SECONDS))

    return run


@pytest.fixture
def decide(open_session: Callable[..., Session], finish: Any) -> Callable[..., Collector]:
    """What is decided on all frames of the sources."""

    def run(*sources: object, **options: Any) -> Collector:
        sink = Collector()
        finish(open_session(*sources, sinks=[sink], **options))
        return sink

    return run


@pytest.fixture
def output_of(open_session: Callable[..., Session], finish: Any) -> Callable[..., bytes]:
    """All records of a run, as they would be printed."""

    def run(*sources: object, **options: Any) -> bytes:
        output = io.BytesIO()
        sink = JsonLinesSink(output, Records.ALL)
        finish(open_session(*sources, sinks=[sink], **options))
        for line in output.getvalue().splitlines():
            json.loads(line)
        return output.getvalue()

    return run
