"""Where models are found: those that ship, those the user has made."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import platformdirs

from streamvpr.errors import ModelError

DEFAULT_MODEL = "efficientnet-lite0-gem"


def bundled_folder() -> Path:
    """The models that ship: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_models"
    return installed if installed.is_dir() else package.parent / "models"


def user_folder() -> Path:
    """The user's own models: $STREAMVPR_MODELS, else the user's data folder."""
    chosen = os.environ.get("STREAMVPR_MODELS")
    return Path(chosen) if chosen else platformdirs.user_data_path("streamvpr") / "models"


def list_models() -> list[Path]:
    """The ONNX files of all known models, bundled ones first, by name."""
    folders = (bundled_folder(), user_folder())
    return [path for folder in folders for path in sorted(folder.glob("*.onnx"))]


def find_model(name: str | None) -> Path:
    """The ONNX file of a model by name or path; None is the bundled default. Raises ModelError."""
    wanted = name or DEFAULT_MODEL
    if wanted.endswith(".onnx") or os.sep in wanted:
        path = Path(wanted)
        if not _is_file(path):
            raise ModelError(f"no model file {wanted}; give a path to .onnx or a name")
        return path
    known = {path.stem: path for path in reversed(list_models())}
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, 1)
        hint = (
            f"did you mean {near[0]}?" if near else "`streamvpr models` lists those that are here"
        )
        raise ModelError(
            f"no model named {wanted!r} in {bundled_folder()} or {user_folder()}; {hint}"
        )
    return known[wanted]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, say
        return False
