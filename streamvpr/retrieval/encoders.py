"""The encoder that a file of parameters is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.retrieval.bow import BagOfWords
from streamvpr.retrieval.fisher import Fisher
from streamvpr.retrieval.parameters import read_parameters
from streamvpr.retrieval.vlad import Vlad

if TYPE_CHECKING:
    from pathlib import Path

Encoder = Vlad | Fisher | BagOfWords
ENCODERS: dict[str, type[Encoder]] = {kind.name: kind for kind in (Vlad, Fisher, BagOfWords)}


def read_encoder(path: Path) -> Encoder:
    """The encoder of a file, which says of what kind it is.

    Raises ModelError for a file that cannot be read, is none or is damaged.
    """
    parameters = read_parameters(path)
    if parameters.name not in ENCODERS:
        raise parameters.error(f"it is called {parameters.name[:40]!r}")
    return ENCODERS[parameters.name].of(parameters)
