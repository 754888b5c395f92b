"""What works on this machine, proved by running it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamvpr import __version__
from streamvpr.config import RunOptions
from streamvpr.embedding import available_devices, find_model, open_embedder
from streamvpr.embedding.card import read_card
from streamvpr.embedding.catalog import bundled_folder, user_folder
from streamvpr.errors import ModelError, StreamVPRError
from streamvpr.media import encode_video
from streamvpr.sources import open_source
from streamvpr.sources.hardware import check_hwaccel, known_hwaccels
from streamvpr.verification import (
    BYTES_PER_FEATURE,
    MOST_FEATURES,
    FeatureExtractor,
    Verifier,
    analysis_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamvpr.frames import Image

PACKAGES = ("av", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    name: str
    works: bool
    detail: str
    needed: bool = True
    """Whether a run on this machine needs it."""
    exit_code: int = 1


def examine() -> list[Check]:
    """Try everything that a run needs, and the devices that this build knows."""
    checks = [
        Check("streamvpr", True, f"{__version__}, Python {platform.python_version()}"),
        Check("packages", True, ", ".join(_versions())),
        _try("decode", _decode),
        _try("model", _model),
    ]
    checks += [_try(f"device {name}", partial(_device, name), needed=False) for name in _devices()]
    checks += [
        _try(f"hwaccel {name}", partial(_hwaccel, name), needed=False) for name in known_hwaccels()
    ]
    checks += [
        _try("geometry", _geometry),
        _try("memory", _memory),
        Check("models", True, f"bundled in {bundled_folder()}, yours in {user_folder()}"),
    ]
    return checks


def exit_code(checks: list[Check]) -> int:
    """0 where all that is needed works, else the contract's code of the first that does not."""
    return next((check.exit_code for check in checks if check.needed and not check.works), 0)


def as_json(checks: list[Check]) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(asdict(check)) for check in checks)


def as_text(checks: list[Check]) -> str:
    """For people."""
    return "\n".join(f"{_mark(check):<4} {check.name}: {check.detail}" for check in checks)


def _mark(check: Check) -> str:
    if check.works:
        return "ok"
    return "FAIL" if check.needed else "no"


def _try(name: str, prove: Callable[[], str], *, needed: bool = True) -> Check:
    try:
        return Check(name, True, prove(), needed)
    except StreamVPRError as error:
        return Check(name, False, str(error), needed, error.exit_code)


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def _pattern() -> Image:
    """A picture of many corners, the same every time."""
    blocks = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
    return np.repeat(np.kron(blocks, np.ones((16, 16), np.uint8))[..., None], 3, axis=2)


def _decode() -> str:
    with tempfile.TemporaryDirectory(prefix="streamvpr-") as folder:
        path = Path(folder) / "doctor.mp4"
        encode_video(path, [_pattern()] * 5, fps=5)
        source = open_source(str(path), name="doctor")
        try:
            frames = [(f.time, f.picture.rgb(64, 48).shape) for f in source.frames()]
        finally:
            source.close()
    if len(frames) != 5:
        raise ModelError(f"wrote 5 frames of video and read {len(frames)} back")
    return f"wrote and read {len(frames)} frames of H.264"


def _model() -> str:
    embedder = open_embedder(device="cpu")
    size = embedder.card.input
    image = np.zeros((size.height, size.width, 3), np.uint8)
    began = time.perf_counter()
    embedder.embed([image])
    took = (time.perf_counter() - began) * 1e3
    return f"{embedder.card.name} ran on cpu in {took:.0f} ms a frame ({find_model(None)})"


def _devices() -> list[str]:
    try:
        return available_devices()
    except StreamVPRError:
        return []


def _device(name: str) -> str:
    return f"{open_embedder(device=name).card.name} ran"


def _hwaccel(name: str) -> str:
    check_hwaccel(name)
    return "decoded H.264"


def _geometry() -> str:
    gray = _pattern()[..., 0].copy()
    extractor = FeatureExtractor()
    here = extractor.extract(gray, gray.shape[1])
    there = extractor.extract(np.ascontiguousarray(np.roll(gray, (12, 20), (0, 1))), gray.shape[1])
    found = Verifier().verify(here, there)
    least = RunOptions().min_inliers
    if found.inliers < least:
        raise ModelError(f"a shifted picture gave {found.inliers} inliers, fewer than {least}")
    return f"ORB and MAGSAC found {found.inliers} inliers of {found.matches} matches"


def _memory() -> str:
    capacity = RunOptions().capacity
    dimension = read_card(find_model(None)).dimension
    place = dimension * 4 + MOST_FEATURES * BYTES_PER_FEATURE
    thumbnail = "-".join(str(side) for side in analysis_size(640, 480))
    return (
        f"a place takes up to {place:,} bytes ({dimension}-d descriptor "
        f"{dimension * 4:,}, {MOST_FEATURES} ORB features {MOST_FEATURES * BYTES_PER_FEATURE:,}); "
        f"--capacity {capacity} is at most {place * capacity / 1e6:,.0f} MB a stream, and with "
        f"--output-dir a JPEG thumbnail of up to {thumbnail} pixels each on top"
    )
