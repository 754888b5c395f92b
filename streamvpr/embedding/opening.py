"""Opening a model on a device, and choosing the device and the precision."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from streamvpr.embedding import engines
from streamvpr.embedding.batching import BoundRunner, PlainRunner, bucket_sizes
from streamvpr.embedding.card import card_path, check_file, file_sha256, read_card
from streamvpr.embedding.catalog import find_model
from streamvpr.embedding.cores import usable_cores
from streamvpr.embedding.devices import explain, folder_of, require, required_libraries
from streamvpr.embedding.embedder import Embedder
from streamvpr.embedding.gpu import find_gpu, has_driver
from streamvpr.embedding.half import half_sibling, prefer_half
from streamvpr.embedding.preprocess import pixel_form
from streamvpr.embedding.proof import prove
from streamvpr.embedding.runtime import load_runtime, open_plain, open_session
from streamvpr.embedding.signature import output_of, read_signature
from streamvpr.embedding.sketch import missing_card
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from streamvpr.embedding.batching import Runner
    from streamvpr.embedding.card import ModelCard

logger = logging.getLogger(__name__)

BATCH_SIZE = 8


def open_embedder(
    model: str | None = None,
    *,
    device: str = "auto",
    threads: int = 0,
    batch_size: int = BATCH_SIZE,
) -> Embedder:
    """Load a model by name or path on a device (auto, cpu, cuda, tensorrt) and prove that it runs.

    `auto` takes the first of cuda and cpu that really runs; tensorrt, whose engines take minutes
    to build, is taken only where it is asked for. `threads` is for the CPU, 0 for all cores that
    this process may use. `batch_size` is the most pictures that will come at once; on a GPU larger
    batches are split. Raises ModelError, or ConfigError where ONNX Runtime is not installed.
    """
    opener = _Opener(load_runtime(), threads or usable_cores(), batch_size)
    path = find_model(model)
    opener.require_card(path)
    if device != "auto":
        return opener.open(path, device)
    return opener.open_best(path)


def build_engines(models: Iterable[str], *, batch_size: int = BATCH_SIZE) -> dict[str, float]:
    """Build TensorRT's engines of models, by name or path; by name, the seconds that each took.

    A model that cannot be used is passed over with a warning. Raises ModelError where TensorRT does
    not run here, with the remedy, and ConfigError.
    """
    require(load_runtime(), "tensorrt")
    built = {}
    for model in models:
        began = time.monotonic()
        try:
            embedder = open_embedder(model, device="tensorrt", batch_size=batch_size)
        except ModelError as error:
            logger.warning("no engine of %s: %s", model, error)
            continue
        built[embedder.card.name] = time.monotonic() - began
        logger.info("the engine of %s is there", embedder.card.name)
    return built


@dataclass(frozen=True, slots=True)
class _Opener:
    """What all tries to open a model have in common."""

    runtime: ModuleType
    threads: int
    batch_size: int

    def require_card(self, path: Path) -> None:
        if not card_path(path).exists() and not card_path(path).is_symlink():
            raise missing_card(self.runtime, path)

    def open_best(self, path: Path) -> Embedder:
        """On CUDA where that really runs, else on the CPU, with a note of why."""
        why = self._cuda_obstacle()
        if not why:
            try:
                return self.open(path, "cuda")
            except ModelError as error:
                why = str(error)
        embedder = self.open(path, "cpu")
        embedder.note = why
        return embedder

    def open(self, path: Path, device: str) -> Embedder:
        """On the device, in half precision where that is right there."""
        card = self._card(path)
        if device == "cpu":
            return self._open(path, card, "cpu", half=False)
        require(self.runtime, device)
        full = partial(self._open, path, card, device, half=False)
        half = self._half(path, card, device)
        if half is None:
            return full()
        reference = partial(self._open, path, card, "cpu", half=False)
        return prefer_half(card.name, half, full, reference)

    def _half(self, path: Path, card: ModelCard, device: str) -> partial[Embedder] | None:
        """How to open the model in half precision on a GPU: a file of its own, or TensorRT's."""
        sibling = half_sibling(path, card)
        if sibling is not None:
            return partial(self._open, sibling, self._card(sibling), device, half=card.half)
        if device == "tensorrt" and card.half:
            return partial(self._open, path, card, device, half=True)
        return None

    def _card(self, path: Path) -> ModelCard:
        card = read_card(path)
        check_file(path, card)
        return card

    def _open(self, path: Path, card: ModelCard, device: str, *, half: bool) -> Embedder:
        try:
            return self._prove(path, card, device, half=half)
        except ModelError as error:
            if device == "cpu":
                raise
            raise explain(self.runtime, device, error) from error

    def _prove(self, path: Path, card: ModelCard, device: str, *, half: bool) -> Embedder:
        with contextlib.ExitStack() as stack:
            options = None
            if device == "tensorrt":
                options, folder = self._engines(path, card, half=half)
                stack.enter_context(engines.building(card.name, folder))
            session = open_session(
                self.runtime, path, device, threads=self.threads, engine_options=options
            )
            embedder = Embedder(self._runner(session, path, card, device), card, device)
            prove(embedder)
        return embedder

    def _runner(self, session: Any, path: Path, card: ModelCard, device: str) -> Runner:
        signature = read_signature(session, path)
        output = output_of(signature, card.output, path)
        form = pixel_form(signature, card.input, path)
        if device == "cpu" and signature.batch is None:
            return PlainRunner(session, signature.input, output, form)
        return BoundRunner(
            self.runtime,
            session,
            signature.input,
            output,
            form,
            sizes=[signature.batch] if signature.batch else bucket_sizes(self.batch_size),
            device="cpu" if device == "cpu" else "cuda",
        )

    def _engines(self, path: Path, card: ModelCard, *, half: bool) -> tuple[dict[str, str], Path]:
        """Options of TensorRT's provider for a model, and where its engines are kept."""
        signature = read_signature(open_plain(self.runtime, path), path)
        form = pixel_form(signature, card.input, path)
        libraries = required_libraries(folder_of(self.runtime), "tensorrt")
        nvinfer = next((name for name in libraries if name.startswith("libnvinfer")), "")
        gpu = find_gpu()
        key = engines.EngineKey(
            model_sha256=card.sha256 or file_sha256(path),
            half=half,
            shape=form.shape,
            batches=(signature.batch,) if signature.batch else bucket_sizes(self.batch_size),
            runtime=self.runtime.__version__,
            tensorrt=engines.tensorrt_version(nvinfer),
            gpu=gpu.name,
            capability=gpu.capability,
        )
        folder = engines.engines_folder() / key.short
        return engines.engine_options(key, signature, folder), folder

    def _cuda_obstacle(self) -> str:
        """Why `auto` need not try CUDA; empty where only trying tells."""
        if not has_driver():
            return "no NVIDIA driver here"
        try:
            require(self.runtime, "cuda")
        except ModelError as error:
            return str(error)
        return ""
