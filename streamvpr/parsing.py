"""What a value on the command line may be, beyond its type."""

from __future__ import annotations

import math
import re
from typing import Any

# A century; FFmpeg counts microseconds in 64 bits.
LONGEST_SECONDS = 100 * 365.25 * 24 * 3600
HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")


def _is_finite(value: float) -> bool:
    """Whether a float can hold it; whole numbers out of TOML may have any length."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def within(
    low: float | None = None, high: float | None = None, *, above: float | None = None
) -> Any:
    """A cyclopts validator of a finite number within bounds."""

    def validate(_: type, value: float | None) -> None:
        if value is None:
            return
        if not _is_finite(value):
            raise ValueError("Must be a finite number.")
        if above is not None and value <= above:
            raise ValueError(f"Must be more than {above}.")
        if low is not None and value < low:
            raise ValueError(f"Must be {low} or more.")
        if high is not None and value > high:
            raise ValueError(f"Must be {high} or less.")

    return validate


def named(_: type, value: str | None) -> None:
    """A cyclopts validator of a name that fits on a line."""
    if value is not None and not (value.strip() and value.isprintable() and len(value) <= 200):
        raise ValueError("Must be 1 to 200 printable characters.")


def parse_seconds(text: str) -> float:
    """Seconds, or [HH:]MM:SS[.fraction] as ffmpeg takes them, up to a century.

    Raises ValueError.
    """
    parts = [float(part) for part in text.split(":")]
    if len(parts) > 3 or any(part < 0 or not math.isfinite(part) for part in parts):
        raise ValueError(text)
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + part
    if seconds > LONGEST_SECONDS:
        raise ValueError(text)
    return seconds


def parse_av_option(text: str) -> tuple[str, str]:
    """`key=value` as FFmpeg's options are written. Raises ValueError."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise ValueError(f'"{text}" is no option for FFmpeg; write key=value')
    return key.strip(), value


def av_options(_: type, values: tuple[str, ...]) -> None:
    """A cyclopts validator of options for FFmpeg."""
    for value in values:
        parse_av_option(value)


def hosts(_: type, values: tuple[str, ...]) -> None:
    """A cyclopts validator of hosts, with a port or without."""
    for value in values:
        match = HOST.fullmatch(value)
        if match is None or not 0 < int(match["port"] or 80) < 2**16:
            raise ValueError(f'"{value}" is no host; write HOST or HOST:PORT')


def to_seconds(_: type, tokens: Any) -> float:
    """A cyclopts converter of what `parse_seconds` takes."""
    text = str(tokens[0].value)
    try:
        return parse_seconds(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time; write seconds or HH:MM:SS') from None
