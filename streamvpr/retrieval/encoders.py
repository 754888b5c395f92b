"""The encoder that a file of parameters is for."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.embedding.card import file_sha256
from streamvpr.retrieval.bow import BagOfWords
from streamvpr.retrieval.fisher import Fisher
from streamvpr.retrieval.parameters import read_parameters
from streamvpr.retrieval.vlad import Vlad

if TYPE_CHECKING:
    from pathlib import Path

Encoder = Vlad | Fisher | BagOfWords
ENCODERS: dict[str, type[Encoder]] = {kind.name: kind for kind in (Vlad, Fisher, BagOfWords)}


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What a file of parameters holds."""

    file: str
    retriever: str
    features: str
    words: int
    """Words, centres or normal distributions."""
    dimension: int
    """Numbers of a descriptor; 0 where it gives words."""
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def read_encoder(path: Path) -> Encoder:
    """The encoder of a file, which says of what kind it is.

    Raises ModelError for a file that cannot be read, is none or is damaged.
    """
    parameters = read_parameters(path)
    if parameters.name not in ENCODERS:
        raise parameters.error(f"it is called {parameters.name[:40]!r}")
    return ENCODERS[parameters.name].of(parameters)


def is_encoder_file(path: Path) -> bool:
    """Whether a file may be one of parameters, by the names of its arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "name.npy" in archive.namelist()
    # NotImplementedError: of an archive that asks for a later version of the format.
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def describe_encoder(path: Path) -> EncoderInfo:
    """What a file holds. Raises ModelError."""
    encoder = read_encoder(path)
    return EncoderInfo(
        file=str(path),
        retriever=encoder.name,
        features=encoder.kind.value,
        words=encoder.words,
        dimension=encoder.dimension,
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )
