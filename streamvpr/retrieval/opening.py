"""The retriever that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.retrieval.hashbow import HashBowRetriever
from streamvpr.retrieval.hbst import HbstRetriever
from streamvpr.retrieval.kind import RetrieverKind

if TYPE_CHECKING:
    from streamvpr.retrieval.base import LocalRetriever


def open_retriever(kind: RetrieverKind) -> LocalRetriever | None:
    """The part of it that goes by local features; None where a network alone finds places."""
    if kind is RetrieverKind.GLOBAL:
        return None
    if kind is RetrieverKind.HASHBOW:
        return HashBowRetriever()
    return HbstRetriever()
