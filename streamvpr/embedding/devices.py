"""What a device lacks on this machine, and what to do about it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from streamvpr.embedding.elf import needed_libraries
from streamvpr.embedding.gpu import find_gpu
from streamvpr.embedding.quiet import without_prints
from streamvpr.embedding.runtime import PROVIDERS, FellBack, first_line
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

# Both packages put their files into one folder `onnxruntime`: installed over the other, each is
# broken by the other's removal. So both go first; pip skips the one that is not there.
UNINSTALL = "pip uninstall -y onnxruntime onnxruntime-gpu"
GPU_EXTRA = "pip install 'streamvpr[gpu]'"
SWITCH = f"{UNINSTALL} && {GPU_EXTRA}"
# Loaded by the CUDA provider when it runs, so that it stands in no list of the file's.
LOADED_LATER = ["libcudnn.so.9"]
OWN = {
    "cuda": "libonnxruntime_providers_cuda.so",
    "tensorrt": "libonnxruntime_providers_tensorrt.so",
}
# What both of them find each other by.
SHARED = "libonnxruntime_providers_shared.so"
TENSORRT = ("libnvinfer", "libnvonnxparser")
NVIDIA = ("libcu", "libnvrtc", *TENSORRT)


def require(runtime: ModuleType, device: str) -> None:
    """Raise ModelError, with the remedy, where something that `device` needs is not here.

    A device that lacks nothing may still not run: only an inference proves it.
    """
    if device == "cpu":
        return
    if PROVIDERS[device] not in runtime.get_available_providers():
        raise ModelError(
            f"device {device} needs the GPU build of ONNX Runtime, and the CPU build is installed: "
            f"{SWITCH}",
            remedy=SWITCH,
        )
    try:
        find_gpu()
    except ModelError as error:
        raise ModelError(f"device {device}: {error}") from error
    preload(runtime, device)
    required = required_libraries(folder_of(runtime), device)
    missing = missing_libraries(required)
    if missing:
        cuda = version_of(required, "libcudart")
        raise ModelError(f"device {device}: {remedy(missing, cuda)}", remedy=command(missing, cuda))


def preload(runtime: ModuleType, device: str) -> None:
    """Load the libraries of the pip packages of NVIDIA, which no loader path names.

    Where one is missing, nothing is said: `missing_libraries` finds it.
    """
    with without_prints(), contextlib.suppress(Exception):  # a helper of onnxruntime, at its best
        runtime.preload_dlls()
    if device != "tensorrt":
        return
    for path in _tensorrt_files():
        with contextlib.suppress(OSError):
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _tensorrt_files() -> list[Path]:
    """TensorRT's libraries in the packages tensorrt-cu12-libs, tensorrt-cu13-libs, in their order.

    Without the one that holds the builder's kernels (gigabytes), which is loaded where it builds.
    """
    spec = importlib.util.find_spec("tensorrt_libs")
    folders = (spec.submodule_search_locations or []) if spec else []
    names = (f"{name}.so.*" for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"))
    return [path for name in names for folder in folders for path in Path(folder).glob(name)]


def folder_of(runtime: ModuleType) -> Path:
    """Where the package `onnxruntime` lies."""
    return Path(str(runtime.__file__)).parent


def version_of(libraries: list[str], name: str) -> str:
    """Major version in a name such as libcudart.so.13; empty where it is not among them."""
    return next((known.rpartition(".")[2] for known in libraries if known.startswith(name)), "")


def required_libraries(folder: Path, device: str) -> list[str]:
    """NVIDIA's libraries that the provider of `device` needs, beside those of CUDA itself."""
    names = list(LOADED_LATER)
    for known in ("cuda", device):
        with contextlib.suppress(OSError):
            names += needed_libraries(folder / "capi" / OWN[known])
    return [name for name in dict.fromkeys(names) if name.startswith(NVIDIA)]


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Those that the loader does not find or cannot load."""
    return [name for name in names if not _loads(name)]


def remedy(missing: list[str], cuda: str = "13") -> str:
    """What to do where these libraries do not load, in one line; `cuda` is its major version."""
    plain = _plain(missing)
    brings = f"{', '.join(plain or missing)} cannot be loaded; {command(missing, cuda)} brings"
    if plain:
        return f"{brings} NVIDIA's libraries, or use --device cpu"
    return f"{brings} TensorRT (on Jetson: apt install tensorrt), or use --device cuda"


def command(missing: list[str], cuda: str = "13") -> str:
    """What brings these libraries."""
    # Without CUDA's own TensorRT cannot be loaded either, so they come first.
    if _plain(missing):
        return GPU_EXTRA
    version = missing[0].rpartition(".")[2]
    return f"pip install 'tensorrt-cu{cuda}=={version}.*'"


def explain(runtime: ModuleType, device: str, error: ModelError) -> ModelError:
    """The error of a session that did not open on a GPU, with the reason where that is known."""
    folder = folder_of(runtime)
    reason = load_error(folder / "capi" / OWN[device], folder / "capi" / SHARED)
    if reason:
        return ModelError(
            f"device {device} does not run here: {reason}; {GPU_EXTRA} brings "
            "libraries that fit together, or use --device cpu",
            remedy=GPU_EXTRA,
        )
    if not isinstance(error, FellBack):
        return ModelError(f"device {device} does not run here: {error}; or use --device cpu")
    cuda = version_of(required_libraries(folder, device), "libcudart")
    return ModelError(
        f"device {device} does not run here, though all its libraries load: the driver or the GPU "
        f"may be too old for CUDA {cuda}; update the driver, or use --device cpu"
    )


def load_error(provider: Path, shared: Path) -> str:
    """Why ONNX Runtime's library for a device does not load; empty where it does.

    ONNX Runtime has that reason and writes it to its log only.
    """
    try:
        ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(provider))
    except OSError as error:
        return first_line(error)
    return ""


def _plain(names: list[str]) -> list[str]:
    """Those that are no part of TensorRT."""
    return [name for name in names if not name.startswith(TENSORRT)]


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
