"""Transport streams that change while they are read."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from camera import FPS, encode
from long_flight import fly
from transport_stream import AVS3, CLOCK, TransportStream

from streamvpr.errors import SourceOpenError
from streamvpr.sources import open_source
from streamvpr.sources.container import VideoContainer
from streamvpr.sources.opening import Opening
from streamvpr.sources.standard_input import StandardInput

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = 100
# Beginning of the packets that announce one track.
OLD_TABLE = b"\x47\x50\x00"
# As with what is live, no more than the beginning is looked at before.
LOOK = (("probesize", "20000"), ("analyzeduration", "100000"))


def test_a_codec_that_nothing_decodes_is_said(tmp_path: Path) -> None:
    stream, path = TransportStream(AVS3), tmp_path / "a.ts"
    with path.open("wb") as file:
        for index, picture in enumerate(encode(islice(fly(100), 30))):
            pts = CLOCK + index * CLOCK // FPS
            file.writelines(stream.picture(picture.data, pts, keyframe=picture.keyframe))
    with pytest.raises(SourceOpenError, match="no decoder of its video"):
        open_source(str(path), name="a")


def test_tracks_that_appear_on_the_way_are_none_of_ours(tmp_path: Path) -> None:
    stream, path = TransportStream(), tmp_path / "a.ts"
    with path.open("wb") as file:
        for index, picture in enumerate(encode(islice(fly(100), PICTURES))):
            pts = CLOCK + index * CLOCK // FPS
            packets = stream.picture(picture.data, pts, keyframe=picture.keyframe)
            if index >= PICTURES // 2:
                packets = [packet for packet in packets if not packet.startswith(OLD_TABLE)]
            if index == PICTURES // 2:
                packets.insert(0, stream.announce(30, version=1))
            file.write(b"".join(packets))
    descriptor = os.open(path, os.O_RDONLY)
    pipe = StandardInput(descriptor)
    container = VideoContainer(Opening(pipe, "-", options=LOOK))
    try:
        found = 0
        while (packet := container.read()) is not None:
            found += len(container.decode(packet))
    finally:
        container.close()
        pipe.close()
        os.close(descriptor)
    assert found == PICTURES
