"""The retriever that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from streamvpr.embedding.catalog import bundled_folder
from streamvpr.errors import ConfigError
from streamvpr.retrieval.dbow import DBowRetriever
from streamvpr.retrieval.encoders import read_encoder
from streamvpr.retrieval.hashbow import HashBowRetriever
from streamvpr.retrieval.hbst import HbstRetriever
from streamvpr.retrieval.kind import RetrieverKind
from streamvpr.retrieval.vocabulary_file import bundled_vocabulary, read_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from streamvpr.retrieval.base import LocalRetriever


def open_retriever(kind: RetrieverKind, vocabulary: Path | None = None) -> LocalRetriever | None:
    """The part of it that goes by local features; None where a network alone finds places.

    `vocabulary` is a file of what it has learned, None the one that ships. Raises ConfigError for
    one that it does not take, and ModelError for a file that cannot be read or is damaged.
    """
    path = vocabulary_of(kind, vocabulary)
    if path is not None and kind is RetrieverKind.DBOW:
        return DBowRetriever(read_vocabulary(path))
    if path is not None:
        encoder = read_encoder(path)
        if encoder.name != kind.value:
            raise ConfigError(
                f"--vocabulary {path} is of {encoder.name}: give --retriever {encoder.name}"
            )
        return cast("LocalRetriever", encoder)
    if kind is RetrieverKind.HBST:
        return HbstRetriever()
    return None if kind is RetrieverKind.GLOBAL else HashBowRetriever()


def vocabulary_of(kind: RetrieverKind, vocabulary: Path | None) -> Path | None:
    """The file of what it has learned; None for what learns nothing. Raises ConfigError where one
    was given to such."""
    if kind is RetrieverKind.DBOW:
        return vocabulary or bundled_vocabulary()
    if kind.is_encoder:
        return vocabulary or bundled_folder() / f"{kind}.npz"
    if vocabulary is not None:
        raise ConfigError(f"--vocabulary {vocabulary}: --retriever {kind} takes none")
    return None
