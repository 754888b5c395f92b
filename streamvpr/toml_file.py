"""TOML that somebody else may have written: bounded before it is parsed.

Python's parser takes time that grows with the square of a key's parts (20,000 of them half a
minute), and ends in a RecursionError where values are nested deeply.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# A settings file with a thousand sources has a tenth.
LARGEST_BYTES = 2**20
# More parts than a key ever has, in a text or a comment too. It begins where a word does and gives
# back nothing that it has taken: so it looks at each character 32 times at the most.
LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){32}""")


def read_toml(path: Path) -> dict[str, Any]:
    """What the file holds. Raises OSError, and as `parse_toml`."""
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise tomllib.TOMLDecodeError(f"it has more than {LARGEST_BYTES} bytes")
    return parse_toml(data.decode("utf-8"))


def parse_toml(text: str) -> dict[str, Any]:
    """What the text holds. Raises ValueError: TOMLDecodeError, UnicodeDecodeError."""
    if len(text) > LARGEST_BYTES:
        raise tomllib.TOMLDecodeError(f"it has more than {LARGEST_BYTES} characters")
    if LONG_KEY.search(text):
        raise tomllib.TOMLDecodeError("a key has more than 32 parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "values are nested too deeply"
    raise tomllib.TOMLDecodeError(reason)
