"""Models: their cards, where they are found, and running them."""

from streamvpr.embedding.card import InputSpec, ModelCard, Threshold
from streamvpr.embedding.catalog import find_model, list_models
from streamvpr.embedding.embedder import Embedder, open_embedder

__all__ = [
    "Embedder",
    "InputSpec",
    "ModelCard",
    "Threshold",
    "find_model",
    "list_models",
    "open_embedder",
]
