"""ONNX Runtime: imported, and sessions opened. The only module that imports it."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from streamvpr.embedding.quiet import without_log
from streamvpr.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# The default, an exhaustive search for each new shape, takes seconds a bucket at opening and finds
# a faster convolution for few networks.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
NOT_ONNX = ("INVALID_PROTOBUF", "No graph was found", "does not have a graph")
TOO_NEW = ("opset", "IR version")
# "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from a.onnx failed:" and
# "/onnxruntime_src/onnxruntime/core/graph/model.cc:256 Model::Model(const std::string&) "
PREAMBLES = (
    re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"Load model from .*? failed:"),
    re.compile(r"\S*/onnxruntime\S*:\d+ .*?\) (?:\[with .*?\] )?"),
)
SYSTEM_ERROR = re.compile(r"system error number (\d+)")
LONGEST_REASON = 300


class FellBack(ModelError):
    """ONNX Runtime took another device than the one asked for, and says nothing of the reason."""


def is_installed() -> bool:
    """Whether there is an ONNX Runtime, which may still fail to load."""
    return find_spec("onnxruntime") is not None


@cache
def load_runtime() -> ModuleType:
    """ONNX Runtime, silenced. Raises ConfigError where it is not installed or does not load."""
    try:
        with without_log():
            import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "running a model needs ONNX Runtime: pip install 'streamvpr[cpu]' "
            f"(or 'streamvpr[gpu]' for CUDA); {first_line(error)}",
            remedy="pip install 'streamvpr[cpu]'",
        ) from error
    runtime: ModuleType = onnxruntime
    # Its own log lines on stderr say nothing that the exceptions do not.
    runtime.set_default_logger_severity(4)
    return runtime


def available_devices() -> list[str]:
    """Devices that the installed ONNX Runtime was built for; whether they run is another matter."""
    built_in = load_runtime().get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider in built_in]


def open_session(
    runtime: ModuleType,
    path: Path,
    device: str,
    *,
    threads: int = 1,
    engine_options: Mapping[str, str] | None = None,
) -> Any:
    """A session of the ONNX file on a device; `threads` are the CPU's, 1 or more.

    `engine_options` are TensorRT's. Raises ModelError, and FellBack where ONNX Runtime took another
    device than the one asked for, which it does without a word.
    """
    options = _session_options(runtime, threads)
    providers = _providers(device, engine_options or {})
    try:
        # Its wrapper otherwise prints "EP Error ... Falling back" to standard output, and does so.
        session = runtime.InferenceSession(str(path), options, providers, enable_fallback=0)
    except Exception as error:  # raises classes of its C++ side, all of Exception
        raise ModelError(_load_error(path, device, error)) from error
    took = session.get_providers()[0]
    if took != PROVIDERS[device]:
        raise FellBack(f"device {device} does not work here: ONNX Runtime fell back to {took}")
    return session


def open_plain(runtime: ModuleType, path: Path) -> Any:
    """A session that is as quick to open as can be, to look at the graph. Raises ModelError."""
    options = _session_options(runtime, 1)
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return runtime.InferenceSession(str(path), options, [CPU], enable_fallback=0)
    except Exception as error:  # as in open_session
        raise ModelError(_load_error(path, "cpu", error)) from error


def first_line(error: Exception) -> str:
    """The first line of an error, without what is for ONNX Runtime's own developers."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    for preamble in PREAMBLES:
        text = preamble.sub("", text, count=1)
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"


def _session_options(runtime: ModuleType, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # One node after the other: an embedding network has no branches that are worth a second pool.
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    # Threads that wait by spinning take the cores from the decoder and the verifier beside them: a
    # tenth of a run's time on two cores. Embedding alone, two threads, EfficientNet-Lite0 at 384
    # pixels: 26.5 ms a picture without spinning and 50.8 with it on two cores that others share.
    # (Denormals as zero were tried and left out: 25.5 and 25.6 ms on one thread.)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(device: str, engine_options: Mapping[str, str]) -> list[Any]:
    """The device's own first; what it has no kernel for runs on the next."""
    if device == "cpu":
        return [CPU]
    cuda = (PROVIDERS["cuda"], CUDA_OPTIONS)
    if device == "cuda":
        return [cuda, CPU]
    return [(PROVIDERS["tensorrt"], dict(engine_options)), cuda, CPU]


def _load_error(path: Path, device: str, error: Exception) -> str:
    text = str(error)
    if any(mark in text for mark in NOT_ONNX):
        return f"the model {path} is no ONNX file, or is cut off; fetch or export it again"
    system = SYSTEM_ERROR.search(text)
    if system:
        return f"cannot read the model {path}: {os.strerror(int(system[1]))}"
    if isinstance(error, TypeError):  # its wrapper for C++ takes no other strings
        return f"the model's path {str(path)!r} is not UTF-8; rename it"
    remedy = "export it again"
    if any(mark in text for mark in TOO_NEW):
        remedy = "export it for an older opset, or upgrade ONNX Runtime"
    return f"cannot load the model {path} on {device}: {first_line(error)}; {remedy}"
