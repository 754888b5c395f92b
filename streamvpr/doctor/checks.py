"""One thing that was tried, and how that went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.errors import StreamVPRError

if TYPE_CHECKING:
    from collections.abc import Callable

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    name: str
    works: bool | None
    """None where it was not tried."""
    detail: str
    needed: bool = True
    """Whether a run on this machine needs it."""
    exit_code: int = 1
    remedy: str | None = None
    """The one command that brings what is missing, where there is one."""
    values: Values | None = None
    """What was measured or found, for machines."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of a thing that works."""

    detail: str
    values: Values | None = None
    tried: bool = True


def attempt(
    name: str, prove: Callable[[], Finding], *, needed: bool = True, remedy: str | None = None
) -> Check:
    """A check that fails where `prove` does; `remedy` is for errors that name none themselves."""
    try:
        found = prove()
    except StreamVPRError as error:
        mends = error.remedy or remedy
        return Check(name, False, str(error), needed, error.exit_code, mends)
    return Check(name, found.tried or None, found.detail, needed, values=found.values)
