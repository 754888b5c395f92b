"""Engines that TensorRT has built: where they are kept, and what is said while one is built."""

from __future__ import annotations

import ctypes
import hashlib
import logging
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, TypeVar

import platformdirs

from streamvpr.embedding.ticker import in_words, patiently
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamvpr.embedding.signature import Signature

logger = logging.getLogger(__name__)

# ONNX Runtime reads shapes as input:1x2x3,other:1x2x3.
SEPARATORS = ":,"
# TensorRT EP could not deserialize engine from cache: ...
BROKEN = "could not deserialize"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineKey:
    """All that an engine depends on; another of it is another engine."""

    model_sha256: str
    half: bool
    shape: tuple[int, ...]
    """Of one picture, in the graph's layout."""
    batches: tuple[int, ...]
    runtime: str
    tensorrt: str
    gpu: str
    capability: str

    @property
    def short(self) -> str:
        """The name of its folder."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]


def engines_folder() -> Path:
    """Where engines are kept: in the user's cache, since they can be built again."""
    return platformdirs.user_cache_path("streamvpr") / "engines"


def tensorrt_version(library: str) -> str:
    """Version of TensorRT's library such as libnvinfer.so.10; empty where it does not load."""
    try:
        return str(ctypes.CDLL(library).getInferLibVersion())
    except (OSError, AttributeError):
        return ""


def engine_options(key: EngineKey, signature: Signature, folder: Path) -> dict[str, str]:
    """Options of ONNX Runtime's TensorRT provider for keeping engines in `folder`.

    One profile spans the batches from 1 to the largest, so that one engine serves them all.
    """
    options = {"trt_fp16_enable": "1" if key.half else "0"}
    if _make(folder):
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
        }
    if None not in signature.shape or set(signature.input) & set(SEPARATORS):
        return options
    picture = "x".join(map(str, key.shape))
    for name, batch in (("min", 1), ("opt", max(key.batches)), ("max", max(key.batches))):
        options[f"trt_profile_{name}_shapes"] = f"{signature.input}:{batch}x{picture}"
    return options


def build(name: str, folder: Path, work: Callable[[], T]) -> T:
    """The result of `work`, in which the engine of the model `name` is built where it is not kept.

    Says every 30 s that it is being built. Raises what `work` raises.
    """

    def say(seconds: float) -> None:
        logger.info(
            "building the TensorRT engine of %s, %s so far; up to 10 min on a Jetson Orin; kept "
            "for the next run in %s",
            *(name, in_words(seconds), folder),
        )

    try:
        return patiently(work, say)
    except ModelError as error:
        if BROKEN in str(error):
            raise ModelError(f"an engine in {folder} is broken, delete it: {error}") from error
        raise


def _make(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        logger.warning(
            "cannot keep TensorRT's engines in %s (%s): they are built anew at each start",
            *(folder, error.strerror),
        )
        return False
    return True
