"""What is installed."""

from __future__ import annotations

import importlib.util
import platform

from streamvpr import __version__
from streamvpr.doctor.checks import Check, Finding, attempt
from streamvpr.embedding import available_devices
from streamvpr.embedding.devices import SWITCH, UNINSTALL
from streamvpr.embedding.gpu import has_driver
from streamvpr.errors import ConfigError
from streamvpr.export import NEEDED
from streamvpr.machine import installed
from streamvpr.sources.hardware import ffmpeg_libraries

# All of these bring the one module cv2.
OPENCV = tuple(
    f"opencv{contrib}-python{headless}"
    for contrib in ("", "-contrib")
    for headless in ("-headless", "")
)
RUNTIMES = {"onnxruntime": "cpu", "onnxruntime-gpu": "gpu"}
CPU_EXTRA = "pip install 'streamvpr[cpu]'"
EXPORT_EXTRA = "pip install 'streamvpr[export]'"


def check() -> list[Check]:
    """Versions, ONNX Runtime, and the extras that are optional."""
    return [
        Check("streamvpr", True, f"{__version__}, Python {platform.python_version()}"),
        Check("platform", True, f"{platform.machine()}, {_system()}", values=_platform()),
        _packages(),
        attempt("onnxruntime", _runtime),
        _export(),
    ]


def _system() -> str:
    """The distribution where it says what it is, else the kernel."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.platform()
    return f"{release['PRETTY_NAME']}, {platform.system()} {platform.release()}"


def _platform() -> dict[str, str]:
    return {
        "streamvpr": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "release": platform.release(),
    }


def _packages() -> Check:
    versions = installed(("av", "numpy", *OPENCV))
    libraries = ffmpeg_libraries()
    shown = ", ".join(f"{name} {libraries[name]}" for name in ("libavcodec", "libavformat"))
    detail = ", ".join(f"{name} {version}" for name, version in versions.items())
    detail = detail.replace(f"av {versions.get('av')}", f"av {versions.get('av')} ({shown})", 1)
    return Check("packages", True, detail, values=versions | libraries)


def _runtime() -> Finding:
    """Raises ConfigError where there is no ONNX Runtime, or two of which each breaks the other."""
    there = installed(RUNTIMES)
    try:
        devices = available_devices()
    except ConfigError as error:
        # What is there by its name alone has to go before pip brings it again.
        remedy = _again() if there else CPU_EXTRA
        raise ConfigError(str(error), remedy=remedy) from error
    shown = [f"{name} {version} (extra {RUNTIMES[name]})" for name, version in there.items()]
    if len(there) > 1:
        raise ConfigError(
            f"{' and '.join(shown)} are both installed, each over the other's files",
            remedy=_again(),
        )
    detail = f"{' '.join(shown) or 'ONNX Runtime'}, built for {', '.join(devices)}"
    return Finding(detail, {**there, "built_for": devices})


def _again() -> str:
    return SWITCH if has_driver() else f"{UNINSTALL} && {CPU_EXTRA}"


def _export() -> Check:
    """Without importing any of it: torch alone takes seconds."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return Check("extra export", True, "all there", needed=False)
    detail = f"`streamvpr export` needs {', '.join(missing)}"
    return Check("extra export", False, detail, False, ConfigError.exit_code, EXPORT_EXTRA)
