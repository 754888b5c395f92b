"""A Ray cluster of two nodes on this machine, and the command line as a process beside it."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.config import Records, RunOptions
from streamvpr.session import open_online
from streamvpr.sinks import JsonLinesSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "tests/cluster/"
CPUS = 8
# What all processes of the cluster of this test run have in their environment.
MARK = f"STREAMVPRS_TEST_CLUSTER={os.getpid()}"
# A node that is gone is missed after two seconds and not after half a minute.
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 4,
}
RUN_SECONDS = 50


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(HERE):
            # Ray leaves the log files of processes that it started to the garbage collector, and
            # the processes themselves.
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:subprocess .* is still running"))


@pytest.fixture(scope="session")
def ray() -> Any:
    """Ray itself, where it is installed."""
    return pytest.importorskip("ray", reason="pip install 'streamvpr[cluster]'")


def processes_with(mark: str) -> list[Path]:
    """Folders of the processes that have this in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append(folder)
        except OSError:
            continue
    return found


@pytest.fixture(scope="session")
def processes_marked() -> Callable[[str], list[Path]]:
    return processes_with


@dataclass(frozen=True)
class Nodes:
    """A cluster of two nodes, to which others come and go."""

    cluster: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> Any:
        node = self.cluster.add_node(num_cpus=CPUS)
        self.cluster.wait_for_nodes()
        return node

    def processes(self, name: str) -> list[int]:
        """Those of it that are named like that."""
        return [
            int(folder.name)
            for folder in processes_with(MARK)
            if name.encode() in (folder / "cmdline").read_bytes()
        ]

    def kill(self, node: Any) -> None:
        """As a power cut does."""
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="session")
def nodes(ray: Any) -> Iterator[Nodes]:
    """Two nodes that stay."""
    from ray.cluster_utils import Cluster

    name, _, value = MARK.partition("=")
    os.environ[name] = value
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": CPUS, "include_dashboard": False, "_system_config": HEALTH},
    )
    try:
        cluster.add_node(num_cpus=CPUS)
        cluster.wait_for_nodes()
        yield Nodes(cluster)
    finally:
        cluster.shutdown()
        del os.environ[name]


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    code: int
    out: bytes
    err: str


@pytest.fixture(scope="session")
def line(tiny_model: Path) -> Callable[..., list[str]]:
    """The command line of a run with the tiny model; every frame, two candidates each."""

    def make(*arguments: object) -> list[str]:
        known = ["--model", tiny_model, "--fps", 0, "--top-k", 2, "--threads", 1]
        command = [sys.executable, "-m", "streamvpr", "run"]
        return [*command, *map(str, [*arguments, *known])]

    return make


@pytest.fixture(scope="session")
def streamvpr(line: Callable[..., list[str]]) -> Callable[..., Run]:
    """Run to the end as a user does."""

    def start(*arguments: object) -> Run:
        done = subprocess.run(
            line(*arguments), capture_output=True, timeout=RUN_SECONDS, check=False
        )
        return Run(done.returncode, done.stdout, done.stderr.decode())

    return start


@pytest.fixture(scope="session")
def one_process(tiny_model: Path) -> Callable[..., bytes]:
    """All records of a run in this process, with what `line` gives, too."""

    def run(*sources: object, **options: Any) -> bytes:
        output = io.BytesIO()
        known = {"model": str(tiny_model), "fps": 0.0, "threads": 1, "top_k": 2}
        chosen = RunOptions(**{**known, **options})
        sink = JsonLinesSink(output, chosen.records)
        asyncio.run(open_online([str(source) for source in sources], chosen, [sink]).run())
        return output.getvalue()

    return run


@pytest.fixture(scope="session")
def flights(make_flight: Any) -> list[str]:
    """Four videos of different lengths, each of which comes back to where it began."""
    lengths = {10: 130, 11: 144, 12: 150, 13: 118}
    return [str(make_flight(seed, frames=frames).path) for seed, frames in lengths.items()]


@pytest.fixture(scope="session")
def alone(one_process: Callable[..., bytes], flights: list[str]) -> bytes:
    """All records of the four, from one process."""
    records = one_process(*flights, records=Records.ALL)
    assert records.count(b'"loop_closure"') > 100
    return records
