"""From trained weights to ONNX and a card. Needs the extra `export`: torch never enters a run."""

from __future__ import annotations

import difflib
import importlib.util
from typing import TYPE_CHECKING

from streamvpr.embedding.card import ModelKind
from streamvpr.errors import ConfigError
from streamvpr.export.options import ExportOptions, Precision
from streamvpr.networks import NETWORKS, find_network

if TYPE_CHECKING:
    from streamvpr.export.writing import Exported

NEEDED = (
    *("torch", "torchvision", "safetensors"),
    *("onnx", "onnx_ir", "onnxscript", "onnxslim", "onnxruntime"),
)
INSTALL = "pip install 'streamvpr[export,cpu]'"


def export_model(name: str, options: ExportOptions | None = None) -> Exported:
    """Write the ONNX file and the card of a network that `streamvpr.networks` lists.

    Raises ConfigError (an unknown network, an option, the extra that is missing), ModelError
    (weights that don't fit, a file that does not match torch), SourceError (--fit), StoreError.
    """
    network = find_network(name)
    if network is None:
        known = [each.name for each in NETWORKS]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"no network named {name!r}; {hint}")
    _require_extra()
    if network.kind is ModelKind.LOCAL_FEATURES:
        from streamvpr.export.local_features import export_features

        return export_features(network, options or ExportOptions())
    from streamvpr.export.exporting import export_network

    return export_network(network, options or ExportOptions())


def _require_extra() -> None:
    missing = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(f"exporting needs {', '.join(missing)}: {INSTALL}")
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"torch and torchvision do not fit together ({reason}); install both at once: {INSTALL}"
        ) from error


__all__ = ["ExportOptions", "Precision", "export_model"]
