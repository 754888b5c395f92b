"""What FFmpeg may open for a source: by default anything that whoever sends the video names.

A playlist, a session description or a reference inside of a file names other addresses, and
FFmpeg goes there: to files of this machine and to hosts that nobody asked for. So every source gets
a list of the protocols that its own kind of address needs, and of the formats that hold pictures
and no addresses. Both are FFmpeg's own options `protocol_whitelist` and `format_whitelist`; what is
opened inside of what is opened has them too.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import av

from streamvpr.errors import SourceOpenError
from streamvpr.sources.address import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamvpr.sources.address import Address

# Formats that name other files or addresses, read them by a pattern, or run a script.
REFERRING = frozenset(
    {
        "alias_pix",
        "avisynth",
        "brender_pix",
        "concat",
        "dash",
        "hls",
        "image2",
        "imf",
        "lavfi",
        "mlv",
        "rtp",
        "rtsp",
        "sap",
        "sdp",
        "svg_pipe",
        "vapoursynth",
        "vobsub",
        "webm_dash_manifest",
    }
)
# No protocol has that name.
NONE = "none"
WEB = "http,https,httpproxy,tls,tcp,crypto"
RTSP = "rtp,srtp,udp,tcp,tls,http,https,httpproxy"
PROTOCOLS = {
    "rtsp": RTSP,
    "rtsps": RTSP,
    "rtp": "rtp,udp",
    "srtp": "srtp,rtp,udp",
    "udp": "udp",
    "udplite": "udplite",
    "tcp": "tcp",
    "tls": "tls,tcp",
    "unix": "unix",
    "sctp": "sctp",
    "srt": "srt",
    "rist": "rist",
    "zmq": "zmq",
    "rtmp": "rtmp,tcp",
    "rtmpe": "rtmpe,ffrtmpcrypt,tcp",
    "rtmps": "rtmps,tls,tcp",
    "rtmpt": "rtmpt,ffrtmphttp,http,tcp",
    "rtmpte": "rtmpte,ffrtmpcrypt,ffrtmphttp,http,tcp",
    "rtmpts": "rtmpts,ffrtmphttp,https,http,tls,tcp",
    "ftp": "ftp,tcp",
    "sftp": "sftp",
    "smb": "smb",
}
"""Of network streams, by what stands before `://`: what each is made of."""
# Formats that FFmpeg takes by the address, and that are opened by it alone.
BY_ADDRESS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtp": "rtp", "srtp": "rtp"}


def limits(address: Address) -> Iterator[tuple[str, str]]:
    """Options for FFmpeg that keep a source to what its address names.

    Raises SourceOpenError for an address of a kind that is no source of video.
    """
    yield "protocol_whitelist", _protocols(address)
    yield "format_whitelist", media_formats(BY_ADDRESS.get(address.scheme))
    if address.kind is Kind.WEB:
        # Where it sends on to is looked at first: see web.py.
        yield "max_redirects", "0"
    if address.scheme in ("rtsp", "rtsps"):
        # Over UDP: what comes from elsewhere than from the camera is not of its stream.
        yield "rtsp_flags", "filter_src"


@cache
def media_formats(besides: str | None = None) -> str:
    """The formats that this build of FFmpeg reads, without those that refer to something else."""
    return ",".join(sorted((av.formats_available - REFERRING) | ({besides} if besides else set())))


def _protocols(address: Address) -> str:
    if address.kind is Kind.FILE:
        return "file"
    if address.kind is Kind.WEB:
        return WEB
    if address.kind is not Kind.STREAM:
        return NONE
    if address.scheme not in PROTOCOLS:
        raise SourceOpenError(
            f"cannot open {address.shown}: no source of video is of the kind {address.scheme}://; "
            f"those that are: http https {' '.join(sorted(PROTOCOLS))}",
            url=address.shown,
            hopeless=True,
        )
    return PROTOCOLS[address.scheme]
