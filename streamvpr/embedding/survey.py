"""Which devices really run a model here, and what the others lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvpr.embedding.devices import require
from streamvpr.embedding.opening import has_engine, open_embedder
from streamvpr.embedding.runtime import PROVIDERS, load_runtime
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable


BUILD = "streamvpr models --build-engines"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What was found of a device."""

    device: str
    runs: bool | None
    """None where it was not tried."""
    detail: str
    """What ran, or what is missing and what to do."""
    remedy: str | None = None
    """The one command that brings what is missing, where there is one."""


def survey_devices(
    model: str | None = None, devices: Iterable[str] = tuple(PROVIDERS)
) -> list[DeviceState]:
    """Try devices by running a model on them; TensorRT only where its engine is there already.

    Raises ConfigError where ONNX Runtime is not installed.
    """
    return [_state(model, device) for device in devices]


def _state(model: str | None, device: str) -> DeviceState:
    try:
        require(load_runtime(), device)
        if device == "tensorrt" and not has_engine(model):
            return DeviceState(
                device, None, f"not tried: building an engine takes minutes; `{BUILD}`", BUILD
            )
        name = open_embedder(model, device=device).card.name
    except ModelError as error:
        return DeviceState(device, False, str(error), error.remedy)
    return DeviceState(device, True, f"{name} ran")
