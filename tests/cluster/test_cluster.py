"""Two nodes say what one process says, whatever becomes of a third."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.config import Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Ray's processes take some seconds to start.
pytestmark = pytest.mark.timeout(90)

WARNING = "streamvpr: warning: "


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[Any]:
    """A process whose output is read as it comes."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **options
    ) as running:
        yield running


def warnings_of(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith(WARNING)]


def rows(path: Path) -> list[tuple[Any, ...]]:
    """What a map says of its places, however they are numbered."""
    with closing(sqlite3.connect(path)) as connection:
        return sorted(
            connection.execute(
                "SELECT session.name, stream.name, idx, time, path, descriptor, points, descriptors"
                " FROM place JOIN stream ON place.stream = stream.id"
                " JOIN session ON stream.session = session.id JOIN local ON local.place = place.id"
            )
        )


def test_two_nodes_say_what_one_process_says(
    nodes: Any, streamvpr: Callable[..., Any], flights: list[str], alone: bytes
) -> None:
    done = streamvpr(*flights, "--records", "all", "--cluster", nodes.address)
    assert done.code == 0, done.err
    assert done.out == alone
    said = done.err.splitlines()
    assert [line for line in said if not line.startswith("streamvpr: ")] == []
    assert "542 frames" in said[-1]
    assert warnings_of(done.err) == []


def test_a_map_is_searched_in_shards_and_added_to(
    nodes: Any,
    streamvpr: Callable[..., Any],
    one_process: Callable[..., bytes],
    flights: list[str],
    tmp_path: Path,
) -> None:
    first, single, spread = (tmp_path / f"{name}.vpr" for name in ("first", "single", "spread"))
    one_process(*flights[:2], map=first, session="first")
    shutil.copy(first, single)
    shutil.copy(first, spread)
    sources = flights[1:3]
    alone = one_process(*sources, map=single, session="second", records=Records.ALL)
    assert b'"match_session":"first"' in alone
    what = ["--map", spread, "--session", "second", "--records", "all"]
    done = streamvpr(*sources, *what, "--cluster", nodes.address, "--cluster-shards", 2)
    assert done.code == 0, done.err
    assert done.out == alone
    assert rows(spread) == rows(single)
    assert [path.name for path in tmp_path.glob("spread*")] == ["spread.vpr"]


def test_a_node_that_dies_changes_nothing_of_what_is_printed(
    nodes: Any,
    line: Callable[..., list[str]],
    one_process: Callable[..., bytes],
    flights: list[str],
    tmp_path: Path,
) -> None:
    earlier = tmp_path / "earlier.vpr"
    one_process(flights[0], map=earlier, session="earlier")
    alone = one_process(*flights, map=earlier, map_read_only=True, records=Records.ALL)
    doomed = nodes.add()
    what = ["--map", earlier, "--map-read-only", "--records", "all"]
    cluster = ["--cluster", nodes.address, "--cluster-shards", 3]
    with started(line(*flights, *what, *cluster)) as running:
        first = [running.stdout.readline() for _ in range(20)]
        nodes.kill(doomed)
        rest, err = running.communicate(timeout=60)
    said = warnings_of(err.decode())
    assert running.returncode == 0, err.decode()
    assert b"".join(first) + rest == alone
    node = doomed.node_id[:8]
    streams = [text for text in said if f"its actor on node {node} is lost" in text]
    assert streams
    assert all("is read again from the beginning" in text for text in streams)
    (other,) = [text for text in said if text not in streams]
    assert other.startswith(f"{WARNING}node {node} ")
    assert "is read again from the map by another" in other


def test_a_cluster_of_this_machine_has_the_same_pictures(
    ray: Any,
    streamvpr: Callable[..., Any],
    one_process: Callable[..., bytes],
    flights: list[str],
    tmp_path: Path,
) -> None:
    del ray
    cluster, alone = tmp_path / "cluster", tmp_path / "alone"
    done = streamvpr(flights[0], "--cluster", "local", "--output-dir", cluster)
    assert done.code == 0, done.err
    assert done.out == one_process(flights[0], output_dir=alone)
    names = [path.relative_to(alone) for path in sorted(alone.rglob("*.jp*"))]
    assert len(names) > 20
    assert [(cluster / n).read_bytes() for n in names] == [(alone / n).read_bytes() for n in names]


def test_ctrl_c_finishes_what_was_read_and_leaves_no_process(
    ray: Any,
    line: Callable[..., list[str]],
    flights: list[str],
    alone: bytes,
    processes_marked: Callable[[str], list[Path]],
) -> None:
    del ray
    # All processes of the run have this in their environment.
    mark = f"STREAMVPRS_TEST_RUN={os.getpid()}"
    name, _, value = mark.partition("=")
    environment = {**os.environ, name: value}
    command = line(*flights[:2], "--records", "queries", "--cluster", "local")
    with started(command, start_new_session=True, env=environment) as running:
        first = [running.stdout.readline() for _ in range(5)]
        os.killpg(running.pid, signal.SIGINT)
        rest, err = running.communicate(timeout=60)
    assert running.returncode == 0, err.decode()
    assert b"SIGINT: finishing what was read" in err
    assert b"Traceback" not in err
    printed = b"".join(first) + rest
    queries = [row for row in alone.splitlines() if row.startswith(b'{"type":"query"')]
    for flight in flights[:2]:
        stream = f'"stream":"{Path(flight).stem}"'.encode()
        got = [row for row in printed.splitlines() if stream in row]
        assert 0 < len(got) < 118
        assert got == [row for row in queries if stream in row][: len(got)]
    until = time.monotonic() + 10
    while (left := processes_marked(mark)) and time.monotonic() < until:
        time.sleep(0.2)
    assert left == []


def test_a_reader_that_goes_ends_the_run_quietly(
    nodes: Any, line: Callable[..., list[str]], flights: list[str]
) -> None:
    what = ["--records", "queries", "--quiet", "--cluster", nodes.address]
    with started(line(flights[0], *what)) as running:
        assert running.stdout.readline().startswith(b'{"type":"query"')
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_where_nothing_can_be_read_it_says_so(nodes: Any, streamvpr: Callable[..., Any]) -> None:
    done = streamvpr("nowhere.mp4", "--cluster", nodes.address)
    assert done.code == 4
    assert done.out == b""
    error = done.err.splitlines()[-1]
    assert error.startswith("streamvpr: error: cannot open nowhere.mp4: No such file")
