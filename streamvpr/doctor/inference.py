"""Whether the model runs, on what, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.config import Device
from streamvpr.doctor.checks import Check, Finding, attempt
from streamvpr.embedding import find_model, list_models, open_embedder, survey_devices
from streamvpr.embedding.card import read_card
from streamvpr.embedding.catalog import bundled_folder, user_folder
from streamvpr.embedding.cores import usable_cores
from streamvpr.embedding.runtime import PROVIDERS
from streamvpr.errors import ConfigError, ModelError, StreamVPRError
from streamvpr.speed import measure_batches

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.config import ModelOptions
    from streamvpr.embedding import Embedder

BATCHES = (1, 4, 8, 16)


def check(options: ModelOptions) -> list[Check]:
    """The model on its device, its speed, the other devices, and the models that are here."""
    model, embedder = _open(options)
    speed = Check("speed", None, "not tried: the model does not run", needed=False)
    if embedder is not None:
        speed = attempt("speed", lambda: _speed(embedder, options))
    # A model that is broken tells nothing of the devices: the bundled one does.
    examined = options.model if model.works is not False else None
    return [model, speed, *_devices(examined), _models()]


def _open(options: ModelOptions) -> tuple[Check, Embedder | None]:
    unbuilt = _unbuilt(options)
    if unbuilt is not None:
        return unbuilt, None
    try:
        path = find_model(options.model)
        embedder = open_embedder(
            options.model, device=options.device.value, threads=options.threads
        )
    except StreamVPRError as error:
        return Check("model", False, str(error), True, error.exit_code, error.remedy), None
    return _opened(embedder, path), embedder


def _unbuilt(options: ModelOptions) -> Check | None:
    """The check where TensorRT is asked for and has no engine: building one takes minutes."""
    if options.device is not Device.TENSORRT:
        return None
    try:
        (state,) = survey_devices(options.model, [options.device.value])
    except ConfigError:
        return None
    if state.runs is not None:
        return None
    return Check("model", None, state.detail, True, ModelError.exit_code, state.remedy)


def _opened(embedder: Embedder, path: Path) -> Check:
    card = embedder.card
    size = f"{card.input.width}x{card.input.height}"
    detail = f"{card.name} ran on {embedder.device}: {card.dimension}-d from {size} ({path})"
    values = {
        "name": card.name,
        "path": str(path),
        "device": embedder.device,
        "dimension": card.dimension,
        "input": size,
        "precision": card.precision,
    }
    return Check("model", True, detail, values=values)


def _speed(embedder: Embedder, options: ModelOptions) -> Finding:
    """Values are milliseconds a picture by batch size."""
    found = measure_batches(embedder, BATCHES)
    shown = ", ".join(f"{size}: {_shown(taken)}" for size, taken in found.items())
    return Finding(
        f"ms a picture (pictures/s) by batch on {_where(embedder, options)}: {shown}",
        {str(size): taken for size, taken in found.items()},
    )


def _where(embedder: Embedder, options: ModelOptions) -> str:
    if embedder.device != "cpu":
        return embedder.device
    threads = options.threads or usable_cores()
    return f"cpu with {threads} thread{'' if threads == 1 else 's'}"


def _shown(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "takes too long to try"
    return f"{milliseconds:.3g} ({1e3 / milliseconds:.3g})"


def _devices(model: str | None) -> list[Check]:
    try:
        states = survey_devices(model)
    except ConfigError as error:
        why, remedy, code = "needs ONNX Runtime", error.remedy, error.exit_code
        return [Check(f"device {name}", False, why, False, code, remedy) for name in PROVIDERS]
    code = ModelError.exit_code
    return [Check(f"device {s.device}", s.runs, s.detail, False, code, s.remedy) for s in states]


def _models() -> Check:
    """Those that are here; without running them, which `streamvpr models` does."""
    known = list_models()
    broken = [path.stem for path in known if not _has_card(path)]
    detail = f"{len(known)} here: bundled in {bundled_folder()}, yours in {user_folder()}"
    if broken:
        detail += f"; no card that can be read: {', '.join(broken)}"
    values = {"bundled": str(bundled_folder()), "yours": str(user_folder()), "broken": broken}
    return Check("models", not broken, detail, False, ModelError.exit_code, values=values)


def _has_card(model: Path) -> bool:
    try:
        read_card(model)
    except ModelError:
        return False
    return True
