"""Host and port of an address on the command line, which may hold a password beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def shown_host(host: str) -> str:
    """A host as it stands in an address: those of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def host_of(parts: SplitResult) -> str:
    """The host. Raises ValueError that quotes nothing else."""
    name = parts.hostname
    if not name:
        raise ValueError("it names no host")
    try:
        name.encode("idna")
    except UnicodeError:
        raise ValueError(f"{name!r} is no name of a host") from None
    if not name.isprintable() or " " in name:
        raise ValueError(f"{name!r} is no name of a host")
    return name


def port_of(parts: SplitResult) -> int | None:
    """The port; None where none is named. Raises ValueError, without quoting what stands there: it
    is a password where the @ was forgotten."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("its port is no number from 1 to 65535")
    return port
