"""Changing a card that is there: its thresholds, and nothing else of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from streamvpr.embedding.card import card_path, read_card
from streamvpr.embedding.catalog import bundled_folder, user_folder
from streamvpr.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from streamvpr.embedding.card import Threshold

HEADER = re.compile(r"\s*\[\s*threshold\s*\]\s*(#.*)?")
NEXT_HEADER = re.compile(r"\s*\[")
KEY = re.compile(r"""\s*["']?(value|without_geometry|calibrated)["']?\s*=""")


def refuse_bundled(model: Path) -> None:
    """Raise ConfigError where `model` is one that ships: its card is everybody's."""
    if model.resolve().is_relative_to(bundled_folder().resolve()):
        raise ConfigError(
            f"--write: {model} ships with the program, and its card stays as it is; give the "
            f"numbers to --sim-threshold, or copy {model.name} and {card_path(model).name} under "
            f"another name to {user_folder()} and calibrate that"
        )


def write_threshold(model: Path, threshold: Threshold) -> Path:
    """Put `threshold` on the card of the ONNX file `model`, at once or not at all; the card's path.

    What else is there stays, comments and tables that nobody knows too. Raises ConfigError for a
    model that ships, ModelError where the card can't be read, StoreError where it can't be written.
    """
    refuse_bundled(model)
    read_card(model)
    path = card_path(model).resolve()
    try:
        _replace(path, _with_threshold(path.read_text(encoding="utf-8"), _table(threshold)))
    except OSError as error:
        raise StoreError(
            f"cannot write the card {path}: {error.strerror}; check the folder, or give the "
            "numbers to --sim-threshold"
        ) from error
    return path


def _table(threshold: Threshold) -> dict[str, Any]:
    values = {
        "value": threshold.value,
        "without_geometry": threshold.without_geometry,
        "calibrated": threshold.calibrated,
    }
    return {key: value for key, value in values.items() if value is not None}


def _with_threshold(text: str, table: dict[str, Any]) -> str:
    """The TOML with those keys in its [threshold].

    Lines are exchanged, which keeps comments. Where that does not give what it should, as with a
    dotted key or a string of many lines, the file is written anew.
    """
    card = tomllib.loads(text)
    kept = {key: v for key, v in card.get("threshold", {}).items() if not KEY.match(f"{key}=")}
    wanted = card | {"threshold": table | kept}
    edited = _exchanged(text.splitlines(), tomli_w.dumps(table).splitlines())
    with contextlib.suppress(tomllib.TOMLDecodeError):
        if tomllib.loads(edited) == wanted:
            return edited
    return tomli_w.dumps(wanted)


def _exchanged(lines: list[str], new: list[str]) -> str:
    header = next((i for i, line in enumerate(lines) if HEADER.fullmatch(line)), None)
    if header is None:
        return "\n".join([*lines, "", "[threshold]", *new, ""])
    after = range(header + 1, len(lines))
    end = next((i for i in after if NEXT_HEADER.match(lines[i])), len(lines))
    kept = [line for line in lines[header + 1 : end] if not KEY.match(line)]
    return "\n".join([*lines[: header + 1], *new, *kept, *lines[end:], ""])


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        shutil.copymode(path, made)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
