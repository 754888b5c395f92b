"""Pictures to unit descriptors with ONNX Runtime. The only module that imports it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvpr.embedding.card import check_file, read_card
from streamvpr.embedding.catalog import find_model
from streamvpr.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from streamvpr.embedding.card import ModelCard
    from streamvpr.frames import Image

logger = logging.getLogger(__name__)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# A descriptor of another length means that the graph does not normalise.
UNIT_TOLERANCE = 1e-2


class Embedder:
    """A model on a device, proved to run there."""

    def __init__(self, session: Any, card: ModelCard, device: str) -> None:
        self.card = card
        self.device = device
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name

    def embed(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Descriptors (N, D), float32, of length 1, of N images (H, W, 3) uint8 RGB.

        Raises ModelError where the runtime fails or gives values that are not finite.
        """
        batch = np.stack(images)
        try:
            (found,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # onnxruntime raises classes of its C++ side, all of Exception
            raise ModelError(
                f"the model {self.card.name} failed on {self.device} with input "
                f"{batch.shape} uint8: {_first_line(error)}"
            ) from error
        descriptors = np.asarray(found, dtype=np.float32)
        if not np.isfinite(descriptors).all():
            raise ModelError(
                f"the model {self.card.name} gave a descriptor that is not finite; "
                "export it in a higher precision"
            )
        return descriptors

    def prove(self) -> None:
        """Run once on a grey picture and hold the result against the card. Raises ModelError."""
        size = self.card.input
        found = self.embed([np.full((size.height, size.width, 3), 127, np.uint8)])
        if found.shape != (1, self.card.dimension):
            raise ModelError(
                f"the model {self.card.name} gives descriptors of shape {found.shape}, and its "
                f"card says (1, {self.card.dimension}); correct the card or export it again"
            )
        length = float(np.linalg.norm(found))
        if abs(length - 1) > UNIT_TOLERANCE:
            raise ModelError(
                f"the model {self.card.name} gives descriptors of length {length:.3f}, not 1; "
                "export it with L2 normalisation in the graph"
            )


def open_embedder(model: str | None = None, *, device: str = "auto", threads: int = 0) -> Embedder:
    """Load a model by name or path on a device (auto, cpu, cuda, tensorrt) and prove that it runs.

    `auto` takes the first of cuda and cpu that really runs. `threads` is for the CPU, 0 for all
    cores. Raises ModelError, or ConfigError where ONNX Runtime is not installed.
    """
    runtime = _runtime()
    path = find_model(model)
    card = read_card(path)
    check_file(path, card)
    if device != "auto":
        return _open_on(runtime, path, card, device, threads)
    if PROVIDERS["cuda"] in runtime.get_available_providers():
        try:
            return _open_on(runtime, path, card, "cuda", threads)
        except ModelError as error:
            logger.info("no CUDA here, taking the CPU: %s", error)
    return _open_on(runtime, path, card, "cpu", threads)


def available_devices() -> list[str]:
    """Devices that the installed ONNX Runtime was built for; whether they run is another matter."""
    available = _runtime().get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider in available]


def _runtime() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "running a model needs ONNX Runtime: pip install 'streamvpr[cpu]' "
            "(or 'streamvpr[gpu]' for CUDA)"
        ) from error
    runtime: ModuleType = onnxruntime
    # Its own log lines on stderr say nothing that the exceptions do not.
    runtime.set_default_logger_severity(4)
    return runtime


def _open_on(
    runtime: ModuleType, path: Path, card: ModelCard, device: str, threads: int
) -> Embedder:
    provider = PROVIDERS[device]
    if provider not in runtime.get_available_providers():
        there = ", ".join(available_devices())
        raise ModelError(
            f"device {device} is not in this build of ONNX Runtime (it has {there}); "
            "pip install 'streamvpr[gpu]', or use --device cpu"
        )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    # Threads that wait by spinning take the cores from the decoder and the verifier beside them:
    # a tenth of a run's time on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = runtime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # as in Embedder.embed
        raise ModelError(
            f"cannot load the model {path} on {device}: {_first_line(error)}"
        ) from error
    # The runtime falls back to the CPU without a word; what it took stands first.
    took = session.get_providers()[0]
    if took != provider:
        raise ModelError(
            f"device {device} does not work here: ONNX Runtime fell back to {took}; "
            "`streamvpr doctor` says more, --device cpu works"
        )
    _check_signature(session, card, path)
    embedder = Embedder(session, card, device)
    embedder.prove()
    return embedder


def _check_signature(session: Any, card: ModelCard, path: Path) -> None:
    inputs = session.get_inputs()
    wanted = [card.input.height, card.input.width, 3]
    got = list(inputs[0].shape)
    fits = len(got) == 4 and all(
        not isinstance(size, int) or size == want
        for size, want in zip(got[1:], wanted, strict=True)
    )
    if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or not fits:
        raise ModelError(
            f"the model {path} takes {inputs[0].name} {got} {inputs[0].type}, and its card says "
            f"[batch, {card.input.height}, {card.input.width}, 3] tensor(uint8)"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
