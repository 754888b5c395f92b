"""Whether a device really decodes here."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.codec.hwaccel import hwdevices_available

from streamvpr.errors import DeviceError
from streamvpr.media import encode_video
from streamvpr.sources.container import DecodeError, ReadError, VideoContainer
from streamvpr.sources.opening import Opening


def known_hwaccels() -> list[str]:
    """Devices that this build of FFmpeg can decode with, where they are there."""
    return [str(name) for name in hwdevices_available()]


@cache
def check_hwaccel(name: str) -> None:
    """Prove that this build of FFmpeg decodes H.264 with that device here. Raises DeviceError."""
    known = ", ".join(known_hwaccels()) or "none"
    if name not in known_hwaccels():
        raise DeviceError(
            f"--hwaccel {name}: the FFmpeg inside of PyAV {av.__version__} is built without it; "
            f"it has {known}. A decoder of the system can be used through a pipe: "
            "ffmpeg ... | streamvpr run -"
        )
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "proof.mp4"
        encode_video(path, [np.zeros((256, 256, 3), np.uint8)] * 2, fps=2)
        container = VideoContainer(Opening(str(path), "a test picture", hwaccel=name))
        try:
            packet = container.read()
            if packet is not None:
                container.decode_alone(packet)
        except (ReadError, DecodeError) as error:
            raise DeviceError(f"--hwaccel {name} does not decode here: {error}") from error
        finally:
            container.close()
