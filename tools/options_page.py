"""Every option of every command as a page, from what the program itself resolves.

    python tools/options_page.py            writes docs/options.md
    python tools/options_page.py --check    exit code 1 where that page is not what would be written

What `run` has in the same form is told once: other commands name it.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, is_dataclass
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from streamvpr.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cyclopts import App
    from cyclopts.argument import Argument

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "options.md"
PREFIX = "STREAMVPR_"

# Where more is said than fits in a line.
MORE = {
    "--model": "models.md",
    "--device": "models.md#devices",
    "--decode": "live.md#never-falling-behind",
    "--hwaccel": "live.md#pipes",
    "--av-option": "live.md#sources",
    "--credentials": "live.md#passwords",
    "--reconnect-for": "live.md#staying-alive",
    "--on-overload": "live.md#never-falling-behind",
    "--geometry": "geometry.md",
    "--camera": "geometry.md#calibrations",
    "--centre": "recognition.md#what-the-table-says",
    "--local-features": "models.md#local-features",
    "--sim-threshold": "models.md#thresholds",
    "--gps-gate": "positions.md",
    "--gps-radius": "positions.md#no-ground-truth-needed",
    "--min-overlap": "tuning.md#too_few_matches-too_few_inliers",
    "--chance": "tuning.md#something-in-every-picture",
    "--sequence-length": "tuning.md#inconsistent_sequence",
    "--exclude-recent": "tuning.md#empty_database",
    "--records": "output.md",
    "--output-dir": "output.md#the-output-folder",
    "--map": "maps.md",
    "--cluster": "scaling.md",
    "--serve": "page.md",
    "--jsonl": "destinations.md#a-file---jsonl-file",
    "--mqtt": "destinations.md",
    "--webhook": "destinations.md",
    "--against": "benchmarks.md#where-the-time-goes",
    "--precision": "models.md#exporting",
    "--write": "models.md#thresholds",
}

HEAD = """\
# Options

<!-- Made by tools/options_page.py from the declarations. Change those, and run it. -->

An option `--exclude-recent` is also `--exclude_recent`, the key `exclude-recent` (or
`exclude_recent`) in the TOML file that `--config` names, and the variable
`STREAMVPR_EXCLUDE_RECENT`. Defaults < TOML < variables < flags. A key that the command has no
option for is an error. A flag is `true` or `false` in the file and in its variable.

```toml
sources = ["door=rtsp://camera.lan/stream1", "yard=rtsp://camera2.lan/h264"]
exclude-recent = 60
records = "all"
verify-geom = true
```

`sources` is what `run`, `calibrate` and `bench` read where the command line names nothing. The
variable `STREAMVPR_MODELS` names a folder of [models](models.md). `streamvpr COMMAND --help` prints
what is here.

## Shell completion

    streamvpr completion bash --install

and in a new shell a tab completes commands, options, choices and files; so for `zsh` and `fish`.
Without `--install` the script is printed, for packages and for who keeps such things by hand:

    streamvpr completion bash > /usr/share/bash-completion/completions/streamvpr
    streamvpr completion zsh > /usr/share/zsh/site-functions/_streamvpr
    streamvpr completion fish > /usr/share/fish/vendor_completions.d/streamvpr.fish

It knows the options of the version that printed it: print it anew with each.
"""

KINDS = {bool: "flag", int: "whole number", float: "number", Path: "path", str: "text"}

TABLE = """\
| option | value | default | TOML | variable | meaning |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Option:
    """One row: an option, or an argument, which has neither key nor variable."""

    names: tuple[str, ...]
    value: str
    default: str
    meaning: str

    @property
    def key(self) -> str | None:
        """What it is called in the TOML file."""
        return self.names[0][2:] if self.names[0].startswith("--") else None

    @property
    def named_in_file(self) -> bool:
        """Whether the file may set it: all but where the file itself is."""
        return self.key not in (None, "config")

    @property
    def variable(self) -> str | None:
        """The environment variable of the same name."""
        return None if self.key is None else PREFIX + self.key.replace("-", "_").upper()

    def as_row(self) -> str:
        """The line of a table."""
        names = ", ".join(f"`{name}`" for name in self.names)
        key = f"`{self.key}`" if self.named_in_file else ""
        variable = f"`{self.variable}`" if self.variable else ""
        more = f" [More]({MORE[self.names[0]]})." if self.names[0] in MORE else ""
        meaning = self.meaning.replace("|", "\\|") + more
        cells = (names, self.value, self.default, key, variable, meaning)
        return "| " + " | ".join(cells) + " |\n"


Group = tuple[str, list[Option]]
"""What its options have in common, empty where that goes without saying, and the options."""


def commands(parent: App = app, before: str = "") -> Iterator[tuple[str, App]]:
    """Every command by the words that call it; `run` first, which others are told by."""
    names = [name for name in parent if not name.startswith("-")]
    for name in sorted(names, key=lambda name: name != "run"):
        command = parent[name]
        if command.default_command is None:
            yield from commands(command, f"{name} ")
        else:
            yield before + name, command


def read_groups(command: App) -> list[Group]:
    """Options and arguments of a command, in the order of `--help`."""
    groups: dict[str, list[Option]] = {}
    declared: type | None = None
    for argument in command.assemble_argument_collection(parse_docstring=True):
        if argument.parse and argument.show:
            title = _title(declared, argument) if argument.keys else ""
            groups.setdefault(title, []).append(_option(argument))
        else:
            declared = _dataclass(argument.hint)
    return list(groups.items())


def _dataclass(hint: Any) -> type | None:
    kinds = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type)]
    return next((kind for kind in kinds if is_dataclass(kind)), None)


def _title(declared: type | None, argument: Argument) -> str:
    """The first sentence of the class that declares an option."""
    assert declared is not None
    for kind in declared.__mro__:
        if argument.field_info.name in get_annotations(kind):
            return (kind.__doc__ or "").split("\n")[0]
    raise LookupError(argument.names)


def _option(argument: Argument) -> Option:
    meaning, _, said = (argument.parameter.help or "").partition(" Default: ")
    return Option(
        names=tuple(argument.names),
        value=_value(argument),
        default=_default(argument) or said.rstrip("."),
        meaning=meaning,
    )


def _value(argument: Argument) -> str:
    if choices := argument.get_choices():
        return ", ".join(f"`{choice}`" for choice in choices)
    kinds = _kinds(argument.hint)
    (name,) = {name for kind, name in KINDS.items() if kind in kinds}
    return f"{name}, several" if kinds & {tuple, list} else name


def _kinds(hint: Any) -> set[Any]:
    """A type and all those that it is made of."""
    return {get_origin(hint) or hint}.union(*map(_kinds, get_args(hint)))


def _default(argument: Argument) -> str:
    if argument.required:
        return "required"
    value = argument.field_info.default
    if value in (None, ()) or value is argument.field_info.empty:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def make_page() -> str:
    """The whole page."""
    told = {option for _, group in read_groups(app["run"]) for option in group}
    sections = [
        _section(name, command, set() if name == "run" else told) for name, command in commands()
    ]
    every = _tables(read_groups(app.meta))
    return "\n".join([HEAD, "## Every command\n", *every, *sections])


def _section(name: str, command: App, told: set[Option]) -> str:
    """One command; of the options in `told` the names alone."""
    groups = read_groups(command)
    left = [(title, [o for o in group if o not in told]) for title, group in groups]
    same = [o for _, group in groups for o in group if o in told]
    usage = [f"    streamvpr {name}{_arguments(groups)}\n"]
    own = {o.names for _, group in left for o in group}
    known = [_as_in_run(same, {o for o in told if o.names not in own})] if same else []
    parts = [f"## {name}\n", f"{command.help}\n", *usage, *known, *_tables(left)]
    return "\n".join(parts)


def _arguments(groups: list[Group]) -> str:
    """What is given without a name, as usage lines write it."""
    given = [o for _, group in groups for o in group if o.key is None]
    return "".join(
        f" [{o.names[0]} ...]" if "several" in o.value else f" {o.names[0]}" for o in given
    )


def _as_in_run(same: list[Option], told: set[Option]) -> str:
    """Names of those that `run` has, too, or of those that only `run` has: whichever are fewer."""
    if len(same) * 2 > len(told):
        missing = sorted(o.names[0] for o in told - set(same) if o.key is not None)
        return f"All options of [`run`](#run) but {_listed(missing)}, and:\n"
    return f"As in [`run`](#run): {_listed([o.names[0] for o in same])}. And:\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _tables(groups: Iterable[Group]) -> Iterator[str]:
    for title, options in groups:
        if options:
            heading = f"**{title}**\n\n" if title else ""
            yield heading + TABLE + "".join(option.as_row() for option in options)


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description="docs/options.md from the declarations.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args(arguments).check
    page = make_page()
    if not check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if page == PAGE.read_text(encoding="utf-8"):
        return 0
    print(f"{PAGE} is not what the declarations say: run tools/options_page.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
