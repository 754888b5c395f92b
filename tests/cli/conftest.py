"""The command line, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.cli import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output, which is JSON lines and nothing else."""
        assert self.out == b"" or self.out.endswith(b"\n")
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> str:
        """The one line that says what was wrong."""
        assert "Traceback" not in self.err
        (line,) = [x for x in self.err.splitlines() if x.startswith("streamvpr: error: ")]
        assert self.err.splitlines()[-1] == line, "the error is the last thing said"
        return line


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMVPR_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def cli(capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Callable[..., Result]]:
    """Run a command line in this process."""

    def run(*arguments: object) -> Result:
        capsysbinary.readouterr()
        try:
            code = run_command([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsysbinary.readouterr()
        return Result(code, out, err.decode())

    return run


@pytest.fixture
def run(cli: Callable[..., Result], tiny_model: Path) -> Callable[..., Result]:
    """`streamvpr run` with the tiny model; every frame, two candidates each."""

    def with_model(*arguments: object) -> Result:
        return cli(
            "run", *arguments, "--model", tiny_model, "--fps", 0, "--top-k", 2, "--threads", 1
        )

    return with_model


@pytest.fixture
def quick(run: Callable[..., Result]) -> Callable[..., Result]:
    """`streamvpr run` without geometry, where that is not what is looked at."""

    def without_geometry(*arguments: object) -> Result:
        return run(*arguments, "--no-verify-geom")

    return without_geometry


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The start of a command line for a process of its own."""
    return [sys.executable, "-m", "streamvpr"]


@pytest.fixture
def process(command: list[str]) -> Callable[..., Result]:
    """Run a command line as a user does."""

    def start(*arguments: object, **options: Any) -> Result:
        known = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 30}
        line = [*command, *map(str, arguments)]
        done = subprocess.run(line, check=False, **{**known, **options})
        return Result(done.returncode, done.stdout or b"", (done.stderr or b"").decode())

    return start
