"""The chunks of a PNG: whether all of what they claim is there."""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Before a chunk's bytes stand how many they are and its kind, behind them a checksum.
HEAD = struct.Struct(">I4s")
CHECKSUM_BYTES = 4
LAST = b"IEND"


def is_cut_off(data: bytes) -> bool:
    """Whether this is a PNG in which a chunk claims more bytes than there are.

    OpenCV makes room for what a chunk claims before it looks for it, up to 4 GB, and then reads
    nothing of such a file.
    """
    if not data.startswith(SIGNATURE):
        return False
    at = len(SIGNATURE)
    while at + HEAD.size <= len(data):
        length, kind = HEAD.unpack_from(data, at)
        at += HEAD.size + length + CHECKSUM_BYTES
        if at > len(data):
            return True
        if kind == LAST:
            return False
    return True
