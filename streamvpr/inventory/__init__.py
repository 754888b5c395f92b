"""What models are here and what networks can be exported, what each costs and where it is from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from streamvpr.inventory.models import Model, find_models, show_model
from streamvpr.inventory.networks import Offer, find_offers, show_offer

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE_HERE = "no models here; `streamvpr doctor` says where they are looked for"
OFFERS = "Networks that `streamvpr export` makes models of, once their weights are here:"


def take() -> list[Model | Offer]:
    """Look at every model, and run it; and at every network that can be exported."""
    models = find_models()
    return [*models, *find_offers([model.name for model in models])]


def as_json(entries: Sequence[Model | Offer]) -> str:
    """One JSON object a line."""
    return "\n".join(json.dumps(asdict(entry)) for entry in entries)


def as_text(entries: Sequence[Model | Offer]) -> str:
    """For people."""
    models = [show_model(entry) for entry in entries if isinstance(entry, Model)]
    offers = [show_offer(entry) for entry in entries if isinstance(entry, Offer)]
    return "\n\n".join([*(models or [NONE_HERE]), OFFERS, *offers])


__all__ = ["Model", "Offer", "as_json", "as_text", "take"]
