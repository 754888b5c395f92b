"""The images: what their files say, the check of health, and a run as the first of them runs it."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("Dockerfile*"))
HEALTH = ROOT / "scripts" / "health"

Instruction = tuple[str, str]


def instructions(path: Path) -> list[Instruction]:
    """Of a Dockerfile: the words at the beginning of its lines, and what is behind them."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def stages(path: Path) -> list[list[Instruction]]:
    """The same by stage; what stands before the first is left out."""
    found: list[list[Instruction]] = []
    for word, rest in instructions(path):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def environment(path: Path) -> dict[str, str]:
    """What its last stage sets."""
    said = " ".join(rest for word, rest in stages(path)[-1] if word == "ENV")
    return dict(pair.split("=", 1) for pair in shlex.split(said))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
class TestFile:
    def test_has_a_stage_to_build_in_and_one_to_run(self, path: Path) -> None:
        building, running = stages(path)
        assert building[0][1].endswith(" AS build")
        installs = [rest for _, rest in building if "pip install" in rest]
        assert len(installs) == 1
        assert not [rest for _, rest in running if "pip" in rest]
        assert ("COPY", "--from=build /opt/streamvpr /opt/streamvpr") in running

    def test_runs_as_nobody_special(self, path: Path) -> None:
        running = stages(path)[-1]
        users = [rest for word, rest in running if word == "USER"]
        assert users == ["streamvpr"]
        assert running.index(("USER", "streamvpr")) > max(
            number for number, (word, _) in enumerate(running) if word in ("RUN", "COPY")
        )
        assert re.search(r"useradd --uid 1\d{3} ", " ".join(rest for _, rest in running))

    def test_is_the_program(self, path: Path) -> None:
        running = dict(stages(path)[-1])
        assert json.loads(running["ENTRYPOINT"]) == ["streamvpr"]
        assert json.loads(running["CMD"]) == ["--help"]
        assert running["WORKDIR"] == "/data"
        health = running["HEALTHCHECK"].partition(" CMD ")[2]
        assert json.loads(health) == ["streamvpr-health"]

    def test_copies_what_there_is_and_is_let_in(self, path: Path) -> None:
        let_in = (ROOT / ".dockerignore").read_text().splitlines()
        open_to = {line[1:] for line in let_in if line.startswith("!")}
        copied = [
            source
            for word, rest in instructions(path)
            if word == "COPY" and not rest.startswith("--from")
            for source in rest.split()[:-1]
        ]
        assert copied
        for source in copied:
            assert any(
                fnmatch.fnmatch(source, name + tail) for name in open_to for tail in ("", "/*")
            )
            assert source.startswith("wheels/") or (ROOT / source).exists(), source

    def test_installs_extras_that_exist(self, path: Path) -> None:
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        (extras,) = re.findall(r"'\.\[([\w,]+)\]'", path.read_text(encoding="utf-8"))
        assert set(extras.split(",")) <= set(known["optional-dependencies"])
        # One engine: by an extra, or by a file.
        engines = {"cpu", "gpu"} & set(extras.split(","))
        assert len(engines) + ("/wheels/*.whl" in path.read_text(encoding="utf-8")) == 1

    def test_writes_no_cache_beside_its_code(self, path: Path) -> None:
        found = environment(path)
        assert found["PYTHONDONTWRITEBYTECODE"] == "1"
        assert found["MPLCONFIGDIR"].startswith("/tmp/")


def test_what_the_package_is_built_of_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {project["project"]["readme"], "pyproject.toml", "streamvpr"}
    needed |= {name.partition("/")[0] for name in project["project"]["license-files"]}
    needed |= set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])
    for path in FILES:
        copied = {
            name for word, rest in instructions(path) if word == "COPY" for name in rest.split()
        }
        assert needed <= copied, path


def health(port: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-IS", str(HEALTH), str(port)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.fixture
def answers() -> Iterator[Callable[[bytes | None], int]]:
    """Makes a server that says something to whoever comes first; None: not a word. Its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads: list[threading.Thread] = []

        def serve(said: bytes | None) -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(1000)
                if said is None:
                    peer.recv(1000)  # until it has had enough
                else:
                    peer.sendall(said)

        def make(said: bytes | None) -> int:
            threads.append(threading.Thread(target=serve, args=(said,)))
            threads[-1].start()
            return int(listening.getsockname()[1])

        yield make
        for thread in threads:
            thread.join()


def test_where_nothing_is_served_there_is_nothing_to_ask() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    assert health(port) == (0, "no live page to ask")


def test_a_page_is_asked_how_its_streams_do(answers: Callable[[bytes | None], int]) -> None:
    well = answers(b'HTTP/1.1 200 OK\r\nx: y\r\n\r\n{"status":"ok"}')
    assert health(well) == (0, '{"status":"ok"}')


def test_a_page_without_a_stream_is_ill(answers: Callable[[bytes | None], int]) -> None:
    ill = answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\nlost")
    assert health(ill) == (1, "lost")


def test_a_page_that_hangs_is_ill(answers: Callable[[bytes | None], int]) -> None:
    code, said = health(answers(None))
    assert code == 1
    assert said.startswith("the live page does not answer: ")


@pytest.fixture(scope="module")
def sandbox() -> list[str]:
    """A command that runs another as user 1000 where nothing can be written but /tmp."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        pytest.skip("no bubblewrap: apt-get install bubblewrap")
    command = [bubblewrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command += ["--tmpfs", "/tmp", "--unshare-user", "--uid", "1000", "--gid", "1000"]
    # The program itself, where it lies in a temporary folder too.
    for folder in (sys.base_prefix, sys.prefix, str(ROOT)):
        command += ["--ro-bind", folder, folder]
    command += ["--unshare-net", "--die-with-parent", "--clearenv"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"bubblewrap may not make a user of its own here: {tried.stderr.strip()}")
    return command


def test_it_runs_where_nothing_can_be_written_but_its_data(
    sandbox: list[str], make_flight: Callable[..., object], tmp_path: Path
) -> None:
    """As the image: its environment, its user, a root that is read only, /tmp, and a folder."""
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(make_flight().path, data / "flight.mp4")  # type: ignore[attr-defined]
    set_by_image = environment(ROOT / "Dockerfile")
    set_by_image |= {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": "/data"}
    command = [*sandbox, "--bind", str(data), str(data), "--chdir", str(data)]
    for name, value in set_by_image.items():
        command += ["--setenv", name, value]
    # What else a run may do with a disk: a map, a file of records, and the plots of the end.
    command += [sys.executable, "-m", "streamvpr", "run", "flight.mp4", "--fps", "0"]
    command += ["--output-dir", "results", "--map", "places.vpr", "--jsonl", "records.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert '"loop_closure"' in done.stdout
    assert "warning" not in done.stderr.lower()
    assert (data / "results/similarity_plot.png").read_bytes().startswith(b"\x89PNG")
    left = {path.name for path in data.iterdir()}
    assert left == {"flight.mp4", "results", "places.vpr", "records.jsonl"}


def test_what_it_may_not_write_is_said_in_a_line(sandbox: list[str], tmp_path: Path) -> None:
    command = [*sandbox, "--setenv", "PYTHONPATH", str(ROOT), sys.executable, "-m", "streamvpr"]
    command += ["run", str(ROOT / "docs"), "--output-dir", "/usr/results"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1].startswith("streamvpr: error: cannot write /usr/results")
