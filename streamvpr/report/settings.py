"""The settings of a run, those first that are not the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

from streamvpr.config import MatchOptions, RunOptions
from streamvpr.report.element import element

if TYPE_CHECKING:
    from streamvpr.report.element import Element

# What a run fills in for itself, and where it was told to write.
FOUND = ("model", "device", "sim-threshold", "output-dir")


def settings(found: dict[str, Any], command: str) -> Element:
    """What held, a table; the rest behind it."""
    options = MatchOptions() if command == "match" else RunOptions()
    defaults = options.effective()
    chosen = {
        name: value
        for name, value in found.items()
        if name in FOUND or name not in defaults or defaults[name] != value
    }
    rest = {name: value for name, value in found.items() if name not in chosen}
    return element(
        "div",
        _table(chosen, "Those that were chosen, or that the model and the machine decide"),
        element(
            "details",
            element("summary", f"{len(rest)} that are as they come"),
            _table(rest, "Defaults"),
        ),
    )


def _table(values: dict[str, Any], caption: str) -> Element:
    return element(
        "table",
        element("caption", caption),
        element(
            "tbody",
            [
                element(
                    "tr",
                    element("th", element("code", name), scope="row"),
                    element("td", element("code", _written(value))),
                )
                for name, value in sorted(values.items())
            ],
        ),
    )


def _written(value: object) -> str:
    """As TOML writes it."""
    return tomli_w.dumps({"a": value}).removeprefix("a = ").strip()
