"""Completion in real shells, each on a terminal: what is typed, a tab, what is there then."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.cli import app
from streamvpr.completion import Shell, script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Complete = Callable[[str], list[str]]

SECONDS = 30.0

# With nothing of the user's own.
START = {
    Shell.BASH: ["bash", "--norc", "--noprofile", "-i"],
    Shell.ZSH: ["zsh", "-f", "-i"],
    Shell.FISH: ["fish", "--no-config", "--interactive"],
}
LOAD = {
    Shell.BASH: ". ./script",
    Shell.ZSH: "bindkey -e; autoload -Uz compinit; compinit -u -D; . ./script",
    Shell.FISH: "source ./script",
}


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            # It is to be the terminal that the program is controlled by, too.
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={
                # fish completes what is a command only.
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(folder),
                "TERM": "dumb",
                "LC_ALL": "C.UTF-8",
            },
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def read_until(self, mark: str) -> str:
        seen = ""
        until = time.monotonic() + SECONDS
        while mark not in seen:
            left = until - time.monotonic()
            assert left > 0, f"no {mark!r} in {seen!r}"
            if select.select([self._ours], [], [], left)[0]:
                seen += os.read(self._ours, 4096).decode(errors="replace")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


def words_after_tab(terminal: Terminal, typed: str) -> list[str]:
    # What stands there after the tab is printed word by word: ^A and ^E are the line's two ends.
    terminal.type(f"{typed}\t\x01printf '<%s>' \x05 en'd'\n")
    said = terminal.read_until("<end>")
    return said[said.rindex("<streamvpr>") :].strip("<>").split("><")[:-1]


@pytest.fixture(scope="module", params=list(Shell))
def shell(request: pytest.FixtureRequest) -> Shell:
    found: Shell = request.param
    if shutil.which(found) is None:
        pytest.skip("not here: apt-get install zsh fish")
    return found


@pytest.fixture(scope="module")
def complete(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Complete]:
    """The words of a command line after a tab at its end."""
    folder = tmp_path_factory.mktemp(shell)
    (folder / "script").write_text(script(app, shell))
    (folder / "flight of today.mp4").touch()
    (folder / "pictures").mkdir()
    (folder / "pictures" / "0001.jpg").touch()
    with closing(Terminal(START[shell], folder)) as terminal:
        terminal.type(f"{LOAD[shell]}; printf '%s' re'ady'\n")
        terminal.read_until("ready")
        yield lambda typed: words_after_tab(terminal, typed)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("ru", ["run"]),
        ("run --recor", ["run", "--records"]),
        ("run --records qu", ["run", "--records", "queries"]),
        ("--quiet run --recor", ["--quiet", "run", "--records"]),
        ("--log-level warning --config a.toml run --recor", None),
        ("map pr", ["map", "prune"]),
        ("map prune --mos", ["map", "prune", "--most"]),
        ("completion zs", ["completion", "zsh"]),
        ("export dinov2-gem --preci", ["export", "dinov2-gem", "--precision"]),
    ],
)
def test_commands_options_and_choices_are_completed(
    complete: Complete, typed: str, words: list[str] | None
) -> None:
    expected = words or [*typed.split()[:-1], "--records"]
    assert complete(f"streamvpr {typed}") == ["streamvpr", *expected]


@pytest.mark.parametrize("before", ["run", "run --map", "match", "run --camera", "run --fps 1"])
def test_files_are_completed_whatever_they_are_called(complete: Complete, before: str) -> None:
    found = complete(f"streamvpr {before} flig")
    assert found == ["streamvpr", *before.split(), "flight of today.mp4"]
    # zsh takes the slash away where the line ends with it.
    assert complete(f"streamvpr {before} pict")[-1] in ("pictures/", "pictures")
    assert complete(f"streamvpr {before} pictures/00")[-1] == "pictures/0001.jpg"


# What a user has that completes at all; bash and fish do so by themselves.
OF_A_USER = {Shell.ZSH: (".zshrc", "autoload -Uz compinit; compinit -u -D\nbindkey -e\n")}
AS_A_USER = {
    Shell.BASH: ["bash", "-i"],
    Shell.ZSH: ["zsh", "-i"],
    Shell.FISH: ["fish", "--interactive"],
}


def test_what_is_installed_is_there_in_a_new_shell(
    shell: Shell, cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if shell in OF_A_USER:
        name, text = OF_A_USER[shell]
        (tmp_path / name).write_text(text)
    for _ in range(2):
        done = cli("completion", shell, "--install")
        assert (done.code, done.out) == (0, b"")
        assert str(tmp_path) in done.err
    started = [path.read_text() for path in tmp_path.glob(".*rc")]
    assert sum(text.count("completions") for text in started) == (shell is not Shell.FISH) * 2
    with closing(Terminal(AS_A_USER[shell], tmp_path)) as terminal:
        assert words_after_tab(terminal, "streamvpr doct") == ["streamvpr", "doctor"]


def test_a_home_that_takes_nothing_is_an_error_of_one_line(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".local").touch()
    done = cli("completion", "bash", "--install")
    assert done.code == 5
    assert ".local" in done.error
    assert "streamvpr completion bash" in done.error


def test_what_is_printed_is_the_script(cli: Callable[..., Any]) -> None:
    done = cli("completion", "bash")
    assert done.code == 0
    assert done.out.decode() == script(app, Shell.BASH)
    assert cli("completion", "tcsh").code == 2
