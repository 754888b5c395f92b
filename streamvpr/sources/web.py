"""Opening an http(s) address and what its playlist names, at the hosts that are allowed alone."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streamvpr.credentials import redact
from streamvpr.errors import SourceOpenError
from streamvpr.sources.hosts import spelled
from streamvpr.sources.opening import open_container
from streamvpr.sources.reach import media_formats
from streamvpr.sources.redirect import redirect_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet

    from streamvpr.sources.opening import Opening

MOST_REDIRECTS = 8
# Of a piece whose bytes alone are wanted: nothing is looked at before, and 32 KiB at a time.
RAW = "data"
PIECE_OPTIONS = {"probesize": "32", "raw_packet_size": "32768"}
PLAYLIST = "hls"
# Both look into FFmpeg's own connection, and a piece comes by another.
PLAYLIST_OPTIONS = {"http_persistent": "0", "http_multiple": "0"}
ENCRYPTED = "crypto+"


def open_within_reach(opening: Opening) -> InputContainer:
    """Open it, and nothing elsewhere. Raises SourceOpenError, DeviceError.

    FFmpeg follows redirects and playlists by itself, to whatever they name. So it is told to follow
    nothing: where a redirect leads is looked up, and each piece of a playlist comes through
    `_Piece`; both are refused for a host that is not allowed.
    """
    if opening.hosts is None:
        return open_container(opening)
    for _ in range(MOST_REDIRECTS + 1):
        try:
            return open_container(opening)
        except SourceOpenError as error:
            opening = _instead(opening, error)
    raise SourceOpenError(
        f"cannot open {opening.shown}: it sends on and on, more than {MOST_REDIRECTS} times",
        url=opening.shown,
        hopeless=True,
    )


def _instead(opening: Opening, error: SourceOpenError) -> Opening:
    """What to open after that error: a playlist, another address. Raises the error otherwise."""
    # So FFmpeg calls a format that is not on the list.
    if error.code == errno.EINVAL and opening.format is None and opening.io_open is None:
        return _as_playlist(opening)
    # And so a redirect that it does not follow, among other things.
    if error.code == errno.EIO and opening.io_open is None:
        return _moved(opening, error)
    raise error


def _moved(opening: Opening, error: SourceOpenError) -> Opening:
    hosts, url = opening.hosts, opening.target
    if hosts is None or not isinstance(url, str):
        raise error
    encrypted = ENCRYPTED if url.startswith(ENCRYPTED) else ""
    place = redirect_of(url.removeprefix(ENCRYPTED), hosts, seconds=opening.connect_timeout or 5.0)
    if place is None:
        raise error
    if not hosts.allow(place):
        raise _refusal(opening, "it sends on to", place)
    return replace(opening, target=encrypted + place)


def _as_playlist(opening: Opening) -> Opening:
    # By its name or its type FFmpeg took it for one; what is none fails as one.
    options = {**dict(opening.options), **PLAYLIST_OPTIONS}
    if options.get("format_whitelist") == media_formats():
        options["format_whitelist"] = media_formats(PLAYLIST)

    def open_piece(url: str, _flags: int, asked: dict[str, str]) -> _Piece:
        if opening.hosts is None or not opening.hosts.allow(url.removeprefix(ENCRYPTED)):
            raise _refusal(opening, "its playlist names", url)
        wanted = {**dict(opening.options), **asked, **PIECE_OPTIONS}
        return _Piece(
            replace(opening, target=url, format=RAW, options=tuple(wanted.items()), hwaccel=None)
        )

    return replace(opening, format=PLAYLIST, options=tuple(options.items()), io_open=open_piece)


def _refusal(opening: Opening, what: str, place: str) -> SourceOpenError:
    host = spelled(place.removeprefix(ENCRYPTED))
    remedy = (
        "no address of that kind is followed"
        if host is None
        else "that is not where it was asked for; name that address yourself, or add "
        f"--allow-host {host}"
    )
    return SourceOpenError(
        f"cannot open {opening.shown}: {what} {redact(place)!r}, and {remedy}",
        url=opening.shown,
        hopeless=True,
    )


class _Piece:
    """The bytes behind one address, as FFmpeg's own client fetches them, for PyAV to read from."""

    def __init__(self, opening: Opening) -> None:
        """Open it. Raises SourceOpenError."""
        self._container = open_within_reach(opening)
        self._packets: Iterator[Packet[Any]] = self._container.demux()
        self._rest = b""

    def read(self, most: int) -> bytes:
        """Up to `most` bytes; empty at the end."""
        while not self._rest:
            packet = next(self._packets, None)
            if packet is None or not packet.size:
                return b""
            self._rest = bytes(packet)
        part, self._rest = self._rest[:most], self._rest[most:]
        return part

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._container.close()
