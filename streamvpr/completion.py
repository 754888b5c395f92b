"""What a shell must know to complete command lines, as a script: printed, or put where it looks.

cyclopts writes the script of commands, options and choices. Three things are made good here: where
it knows nothing to offer, as for a SOURCE, the shell offers files; the shell itself does so, which
knows of folders and of blanks in names; and zsh finds the script under the name that it looks for.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from cyclopts.completion import add_to_rc_file, get_default_completion_path

from streamvpr.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from cyclopts import App

PROGRAM = "streamvpr"

BASH_FILES = 'COMPREPLY=( $(compgen -f -- "${cur}") )'
BASH_NOTHING = "COMPREPLY=()"

# A line of zsh's `_arguments` that ends with what a value is called, and has no way to complete it.
ZSH_VALUE = r"(?:\\.|'\\''|[^:'\\])*"
ZSH_BARE = re.compile(
    rf"^( *'(?:(?:\*|\d+)|\*?--[\w-]+\[{ZSH_VALUE}\]):{ZSH_VALUE})(' \\?)$", re.MULTILINE
)
# Sourced, the script says what its function completes. As a file that zsh loads for the function,
# it is the function, and calls what it has just defined.
ZSH_BEGIN = f"""
if [ "$funcstack[1]" = "_{PROGRAM}" ]; then
  _{PROGRAM} "$@"
else
  compdef _{PROGRAM} {PROGRAM}
fi
"""


class Shell(StrEnum):
    """A shell whose command lines can be completed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def script(app: App, shell: Shell) -> str:
    """What the shell is to run, or to load."""
    text = app.generate_completion(prog_name=PROGRAM, shell=shell.value)
    if shell is Shell.BASH:
        text = text.replace(BASH_FILES, BASH_NOTHING)
        return text.replace("\ncomplete -F", "\ncomplete -o default -F")
    if shell is Shell.ZSH:
        text = ZSH_BARE.sub(r"\1:_files\2", text)
        return text.replace(f"_cyclopts_{PROGRAM}", f"_{PROGRAM}") + ZSH_BEGIN
    return text


def install(app: App, shell: Shell) -> Path:
    """Put the script where the shell of this user finds it; the file.

    What starts bash or zsh gets a line that loads it, where it has none. Raises StoreError.
    """
    try:
        path = get_default_completion_path(shell.value, PROGRAM)
        if shell is Shell.ZSH:
            path = path.with_name(f"_{PROGRAM}")
        path.write_text(script(app, shell), encoding="utf-8")
        if shell is not Shell.FISH:
            add_to_rc_file(path, PROGRAM, "bash" if shell is Shell.BASH else "zsh")
    except OSError as error:
        raise StoreError(
            f"cannot write {error.filename}: {error.strerror}; "
            f"`streamvpr completion {shell}` prints what belongs there"
        ) from error
    return path
