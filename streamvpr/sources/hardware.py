"""What really decodes here: FFmpeg's own decoders, and devices."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.codec.hwaccel import hwdevices_available

from streamvpr.embedding.quiet import without_log
from streamvpr.errors import DeviceError, StoreError
from streamvpr.media import encode_video, has_encoder
from streamvpr.sources.container import DecodeError, ReadError, VideoContainer
from streamvpr.sources.opening import Opening

CODECS = {
    "h264": ("libx264",),
    "hevc": ("libx265",),
    "mpeg4": ("mpeg4",),
    "mpeg2video": ("mpeg2video",),
    "mjpeg": ("mjpeg",),
    "vp8": ("libvpx",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1", "libaom-av1"),
}
"""What cameras and drones send, by FFmpeg's names, and encoders in software to try it with."""
# FFmpeg's decoder of that very name does nothing without hardware.
AV1_DECODERS = ("libdav1d", "libaom-av1", "libgav1")
PROOF_FRAMES = 3
PROOF_SIDE = 128
# How SVT-AV1 begins each of its lines on stderr.
SVT_MARK = b"Svt["


@dataclass(frozen=True, slots=True)
class Decoder:
    """What decodes a codec in software."""

    name: str
    frames: int | None
    """That were encoded and came back; None where this build has no encoder to try it with."""


def ffmpeg_libraries() -> dict[str, str]:
    """Versions of the libraries of FFmpeg inside of PyAV, by name."""
    return {
        name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())
    }


def try_decoder(codec: str) -> Decoder:
    """Encode and decode a few frames of one of CODECS. Raises DeviceError."""
    encoder = next(filter(has_encoder, CODECS[codec]), None)
    if encoder is not None:
        return _decode_own(codec, encoder)
    names = AV1_DECODERS if codec == "av1" else (codec,)
    found = next(filter(_has_decoder, names), None)
    if found is None:
        raise DeviceError(f"the FFmpeg inside of PyAV {av.__version__} has no decoder of {codec}")
    return Decoder(found, None)


def _decode_own(codec: str, encoder: str) -> Decoder:
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder, without_log(SVT_MARK):
        path = Path(folder) / "proof.mkv"
        frames = [np.full((PROOF_SIDE, PROOF_SIDE, 3), 60, np.uint8)] * PROOF_FRAMES
        try:
            encode_video(path, frames, fps=PROOF_FRAMES, encoder=encoder)
        except StoreError as error:
            raise DeviceError(f"{encoder} does not encode {codec} to try it: {error}") from error
        name, count = _count_frames(path, codec)
    if count != PROOF_FRAMES:
        raise DeviceError(f"{name} decoded {count} of {PROOF_FRAMES} frames of {codec}")
    return Decoder(name, count)


def _count_frames(path: Path, codec: str) -> tuple[str, int]:
    """The decoder that FFmpeg takes, and how many frames it gives. Raises DeviceError."""
    count = 0
    container = VideoContainer(Opening(str(path), f"a test video in {codec}"))
    try:
        while (packet := container.read()) is not None:
            count += len(container.decode(packet))
    except (ReadError, DecodeError) as error:
        raise DeviceError(f"{container.codec} does not decode {codec}: {error}") from error
    finally:
        container.close()
    return container.codec, count


def _has_decoder(name: str) -> bool:
    try:
        Codec(name, "r")
    except UnknownCodecError:
        return False
    return True


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
