"""The TOML file that --config names."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_settings(path: Path) -> dict[str, Any]:
    """The keys of a TOML file as options write them. Raises ConfigError."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read --config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path} is no TOML: {error}") from error
    return {key.replace("_", "-"): value for key, value in settings.items()}


def read_sources(value: object, config: Path | None) -> list[str]:
    """What the file says is to be read, where the command line names nothing."""
    if not isinstance(value, list) or not all(isinstance(source, str) for source in value):
        raise ConfigError(f'sources in --config {config}: write ["door=rtsp://...", "a.mp4"]')
    return value


def read_quiet(value: object) -> bool:
    """Whether `quiet` is set in the file. Raises ConfigError."""
    if not isinstance(value, bool):
        raise ConfigError(f"quiet = {value!r}: write true or false")
    return value
