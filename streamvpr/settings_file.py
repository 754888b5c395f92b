"""The TOML file that --config names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError
from streamvpr.toml_file import read_toml

if TYPE_CHECKING:
    from pathlib import Path


def read_settings(path: Path) -> dict[str, Any]:
    """The keys of a TOML file as options write them. Raises ConfigError."""
    try:
        settings = read_toml(path)
    except OSError as error:
        raise ConfigError(f"cannot read --config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is no TOML: {error}") from error
    if _holds_nul(settings):
        raise ConfigError(f"--config {path}: a text in it holds a NUL, which nothing can be called")
    return {key.replace("_", "-"): value for key, value in settings.items()}


def _holds_nul(value: object) -> bool:
    """Whether a value of the file, or one inside of it, is a text with a NUL."""
    if isinstance(value, dict):
        return any(_holds_nul(one) for one in (*value, *value.values()))
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


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
