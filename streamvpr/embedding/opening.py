"""Opening a model on a device, and choosing the device and the precision."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from streamvpr.embedding import engines
from streamvpr.embedding.card import (
    ModelKind,
    card_path,
    check_file,
    file_sha256,
    read_card,
    require_kind,
)
from streamvpr.embedding.catalog import find_model
from streamvpr.embedding.cores import usable_cores
from streamvpr.embedding.devices import explain, folder_of, require, required_libraries
from streamvpr.embedding.embedder import Embedder
from streamvpr.embedding.engines import EngineKey
from streamvpr.embedding.gpu import find_gpu, has_driver
from streamvpr.embedding.half import half_sibling, inherit, prefer_half
from streamvpr.embedding.plan import make_plan
from streamvpr.embedding.proof import prove
from streamvpr.embedding.runtime import load_runtime, open_plain, open_session
from streamvpr.embedding.sketch import missing_card
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from streamvpr.embedding.card import ModelCard
    from streamvpr.embedding.plan import Plan

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
            if _finds_features(model):
                continue
            embedder = open_embedder(model, device="tensorrt", batch_size=batch_size)
        except ModelError as error:
            logger.warning("no engine of %s: %s", model, error)
            continue
        built[embedder.card.name] = time.monotonic() - began
        logger.info("the engine of %s is there", embedder.card.name)
    return built


def _finds_features(model: str) -> bool:
    """Whether it is one of local features, which take pictures of any size and so no engine."""
    path = find_model(model)
    return card_path(path).exists() and read_card(path).kind is ModelKind.LOCAL_FEATURES


def has_engine(model: str | None = None, *, batch_size: int = BATCH_SIZE) -> bool:
    """Whether TensorRT's engine of a model is there, so that opening it takes no minutes.

    Raises ModelError and ConfigError.
    """
    opener = _Opener(load_runtime(), 1, batch_size)
    return any(opener.engine_folder(find_model(model)).glob("*.engine"))


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
        embedder.note = why.removeprefix("device cuda: ")
        return embedder

    def open(self, path: Path, device: str) -> Embedder:
        """On the device, in half precision where that is right there."""
        if device == "cpu":
            return self._on_cpu(path)
        require(self.runtime, device)
        card = self._card(path)
        full = partial(self._on_gpu, path, device, half=False)
        half = self._half(path, card, device)
        if half is None:
            return full()
        chosen = prefer_half(card.name, half, full, partial(self._on_cpu, path))
        chosen.card = inherit(chosen.card, card)
        return chosen

    def engine_folder(self, path: Path) -> Path:
        """Where TensorRT's engine is kept that is tried first."""
        card = self._card(path)
        half = card.half
        if half:
            path = half_sibling(path, card) or path
            card = self._card(path)
        plan = self._plan(open_plain(self.runtime, path), path, card)
        return engines.engines_folder() / self._engine_key(path, card, plan, half=half).short

    def _half(self, path: Path, card: ModelCard, device: str) -> partial[Embedder] | None:
        """How to open the model in half precision on a GPU: a file of its own, or TensorRT's."""
        sibling = half_sibling(path, card) if card.half else None
        if sibling is not None:
            return partial(self._on_gpu, sibling, device, half=True)
        if device == "tensorrt" and card.half:
            return partial(self._on_gpu, path, device, half=True)
        return None

    def _on_cpu(self, path: Path) -> Embedder:
        card = self._card(path)
        session = open_session(self.runtime, path, "cpu", threads=self.threads)
        plan = self._plan(session, path, card)
        embedder = Embedder(plan.runner(self.runtime, session, "cpu"), card, "cpu")
        prove(embedder)
        return embedder

    def _on_gpu(self, path: Path, device: str, *, half: bool) -> Embedder:
        """Raises ModelError for what is wrong with the file before the GPU is tried at all."""
        card = self._card(path)
        plan = self._plan(open_plain(self.runtime, path), path, card)
        if device != "tensorrt":
            return self._proved(path, card, plan, device, None)
        key = self._engine_key(path, card, plan, half=half)
        folder = engines.engines_folder() / key.short
        options = engines.engine_options(key, plan.signature, folder)
        work = partial(self._proved, path, card, plan, device, options)
        return engines.build(card.name, folder, work)

    def _proved(
        self, path: Path, card: ModelCard, plan: Plan, device: str, options: dict[str, str] | None
    ) -> Embedder:
        session = self._session(path, device, options)
        embedder = Embedder(plan.runner(self.runtime, session, device), card, device)
        prove(embedder)
        return embedder

    def _session(self, path: Path, device: str, options: dict[str, str] | None) -> Any:
        try:
            return open_session(
                self.runtime, path, device, threads=self.threads, engine_options=options
            )
        except ModelError as error:
            raise explain(self.runtime, device, error) from error

    def _card(self, path: Path) -> ModelCard:
        card = read_card(path)
        require_kind(path, card, ModelKind.PLACES)
        check_file(path, card)
        return card

    def _plan(self, session: Any, path: Path, card: ModelCard) -> Plan:
        return make_plan(session, path, card, self.batch_size)

    def _engine_key(self, path: Path, card: ModelCard, plan: Plan, *, half: bool) -> EngineKey:
        libraries = required_libraries(folder_of(self.runtime), "tensorrt")
        nvinfer = next((name for name in libraries if name.startswith("libnvinfer")), "")
        gpu = find_gpu()
        return EngineKey(
            model_sha256=card.sha256 or file_sha256(path),
            half=half,
            shape=plan.form.shape,
            batches=plan.sizes,
            runtime=self.runtime.__version__,
            tensorrt=engines.tensorrt_version(nvinfer),
            gpu=gpu.name,
            capability=gpu.capability,
        )

    def _cuda_obstacle(self) -> str:
        """Why `auto` need not try CUDA; empty where only trying tells."""
        if not has_driver():
            return "no NVIDIA driver here"
        try:
            require(self.runtime, "cuda")
        except ModelError as error:
            return str(error)
        return ""
