"""The page on options says what the program has, and what it says is so."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

import options_page
import pytest
from options_page import Option

from streamvpr import cli
from streamvpr.cli import app, run_command
from streamvpr.config import RunOptions

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = [
    (name, option)
    for name, command in options_page.commands()
    for _, group in options_page.read_groups(command)
    for option in group
    if option.key is not None
]
RUN = [option for name, option in OPTIONS if name == "run"]
# Those of the dataclass whose values the page tells.
FIELDS = {field.name.replace("_", "-") for field in dataclasses.fields(RunOptions)}
SIMPLE = [o for o in RUN if o.key in FIELDS and o.value not in ("text", "path", "text, several")]


def test_the_page_is_what_the_declarations_say() -> None:
    assert options_page.main(["--check"]) == 0, "run tools/options_page.py"


def test_a_page_that_is_old_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "options.md"
    old.write_text(options_page.PAGE.read_text().replace("--top-k", "--top-n"))
    monkeypatch.setattr(options_page, "PAGE", old)
    assert options_page.main(["--check"]) == 1
    assert "tools/options_page.py" in capsys.readouterr().err
    assert options_page.main([]) == 0
    assert options_page.main(["--check"]) == 0


def test_every_command_and_option_stands_there() -> None:
    page = options_page.PAGE.read_text()
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for name, option in OPTIONS:
        section = sections[name]
        every = "All options of [`run`](#run)" in section
        named = f"`{option.names[0]}`" in section
        but = f"`{option.names[0]}`" in section.partition(", and:")[0]
        assert named or (every and not but), (name, option.names)


def test_what_is_linked_is_an_option() -> None:
    assert set(options_page.MORE) <= {option.names[0] for _, option in OPTIONS}


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """What `run` was asked for; nothing is opened or run."""
    seen: list[RunOptions] = []
    for name in [name for name in os.environ if name.startswith("STREAMVPR_")]:
        monkeypatch.delenv(name)

    def execute(_: object, options: RunOptions, *__: object, **___: object) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr(cli, "execute", execute)
    return seen


def other(option: Option) -> str:
    """A value that is not the default, as the page says that it may be."""
    if choices := re.findall("`(.+?)`", option.value):
        return next(c for c in choices if c != option.default.strip("`"))
    if option.value == "flag":
        return "false" if option.default == "on" else "true"
    default = float(option.default.strip("`")) if option.default.startswith("`") else 0.0
    if option.value == "whole number":
        return f"{default + 1:g}"
    return f"{default / 2 or 0.5:g}"


def test_keys_of_the_file_are_those_of_the_page(chosen: list[RunOptions], tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    quoted = {o.key: other(o) if "number" in o.value else f'"{other(o)}"' for o in SIMPLE}
    config.write_text("".join(f"{key} = {value}\n" for key, value in quoted.items()))
    assert run_command(["run", "a.mp4", "--config", str(config)]) == 0
    assert_all_are_set(chosen[0])


def test_variables_are_those_of_the_page(
    chosen: list[RunOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in SIMPLE:
        monkeypatch.setenv(str(option.variable), other(option))
    assert run_command(["run", "a.mp4"]) == 0
    assert_all_are_set(chosen[0])


def assert_all_are_set(found: RunOptions) -> None:
    for option in SIMPLE:
        value = getattr(found, str(option.key).replace("-", "_"))
        if "number" in option.value:
            assert value == float(other(option)), option
        else:
            assert str(value).lower() == other(option), option


def test_every_command_of_the_program_has_a_section() -> None:
    names = [name for name, _ in options_page.commands()]
    assert {name.split()[0] for name in names} == {n for n in app if not n.startswith("-")}
