"""The NVIDIA GPU of this machine, as its driver tells."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from streamvpr.errors import ModelError

DRIVER = "libcuda.so.1"
BOARD = Path("/proc/device-tree/model")
# cuDeviceGetAttribute: CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
MAJOR, MINOR = 75, 76
NO_DEVICE = 100


@dataclass(frozen=True, slots=True)
class Gpu:
    """What an engine is built for."""

    name: str
    capability: str
    """Compute capability, such as 8.7."""


def find_gpu(driver: str = DRIVER) -> Gpu:
    """The first GPU. Raises ModelError where there is no driver, or none that works."""
    try:
        library = ctypes.CDLL(driver)
    except OSError as error:
        raise ModelError(
            f"no NVIDIA driver on this machine ({driver} does not load); install the driver, or "
            "use --device cpu"
        ) from error
    _call(library, "cuInit", 0)
    device = ctypes.c_int()
    _call(library, "cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(128)
    _call(library, "cuDeviceGetName", name, len(name), device)
    numbers = [_attribute(library, which, device) for which in (MAJOR, MINOR)]
    found = name.value.decode("utf-8", "replace")
    return Gpu(_board() or found, ".".join(map(str, numbers)))


def has_driver(driver: str = DRIVER) -> bool:
    """Whether there is an NVIDIA driver at all, working or not."""
    try:
        ctypes.CDLL(driver)
    except OSError:
        return False
    return True


def _attribute(library: ctypes.CDLL, which: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _call(library, "cuDeviceGetAttribute", ctypes.byref(value), which, device)
    return value.value


def _call(library: ctypes.CDLL, function: str, *arguments: object) -> None:
    code = getattr(library, function)(*arguments)
    if code:
        why = "it sees no GPU" if code == NO_DEVICE else f"{function} gives CUDA error {code}"
        raise ModelError(
            f"the NVIDIA driver does not work here: {why}; check `nvidia-smi` (in a container, "
            "--gpus all), or use --device cpu"
        )


def _board() -> str:
    """Name of the board where the driver gives all of a family one name, as on Jetson."""
    try:
        return BOARD.read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return ""
