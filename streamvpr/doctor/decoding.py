"""Whether video decodes: the way of a run, each codec, and the devices."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from streamvpr.doctor.checks import Check, Finding, attempt
from streamvpr.embedding.proof import textured_picture
from streamvpr.errors import DeviceError
from streamvpr.media import encode_video
from streamvpr.sources import open_source
from streamvpr.sources.hardware import CODECS, check_hwaccel, known_hwaccels, try_decoder

FRAMES = 5
# The wheel on PyPI, with all of CODECS; another build of FFmpeg lacks what it was built without.
WHEEL = "pip install --force-reinstall --no-deps --only-binary av 'av>=18,<20'"


def check() -> list[Check]:
    """All of it; only the first is needed."""
    return [
        attempt("decode", _run_way),
        *(attempt(f"codec {c}", partial(_codec, c), needed=False, remedy=WHEEL) for c in CODECS),
        *(attempt(f"hwaccel {n}", partial(_device, n), needed=False) for n in known_hwaccels()),
    ]


def _run_way() -> Finding:
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "doctor.mp4"
        encode_video(path, [textured_picture(640, 480)] * FRAMES, fps=FRAMES)
        source = open_source(str(path), name="doctor")
        try:
            count = sum(frame.picture.rgb(64, 48).size > 0 for frame in source.frames())
        finally:
            source.close()
    if count != FRAMES:
        raise DeviceError(f"wrote {FRAMES} frames of video and read {count} back")
    return Finding(f"wrote a video and read its {count} frames")


def _codec(codec: str) -> Finding:
    decoder = try_decoder(codec)
    values = {"decoder": decoder.name, "frames": decoder.frames}
    if decoder.frames is None:
        return Finding(f"{decoder.name} is there, not tried", values, tried=False)
    by = "" if decoder.name == codec else f" with {decoder.name}"
    return Finding(f"decoded {decoder.frames} frames that it had encoded{by}", values)


def _device(name: str) -> Finding:
    check_hwaccel(name)
    return Finding("decoded H.264")
