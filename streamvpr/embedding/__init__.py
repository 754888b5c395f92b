"""Models: their cards, where they are found, and running them."""

from streamvpr.embedding.card import InputSpec, ModelCard, ModelKind, Threshold
from streamvpr.embedding.catalog import find_model, list_models
from streamvpr.embedding.embedder import Embedder
from streamvpr.embedding.feature_network import FeatureNetwork, open_feature_network
from streamvpr.embedding.opening import build_engines, open_embedder
from streamvpr.embedding.runtime import available_devices
from streamvpr.embedding.survey import DeviceState, survey_devices

__all__ = [
    "DeviceState",
    "Embedder",
    "FeatureNetwork",
    "InputSpec",
    "ModelCard",
    "ModelKind",
    "Threshold",
    "available_devices",
    "build_engines",
    "find_model",
    "list_models",
    "open_embedder",
    "open_feature_network",
    "survey_devices",
]
