"""Vocabularies on disk: which format a file has, and the error of one that can't be used."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.draft import draft_of
from streamvpr.embedding.card import file_sha256
from streamvpr.embedding.catalog import bundled_folder
from streamvpr.errors import ConfigError, ModelError, StoreError
from streamvpr.retrieval.dbow2_text import looks_like_text, read_text, write_text
from streamvpr.retrieval.dbow3_binary import SIGNATURE, read_binary
from streamvpr.retrieval.dbow_storage import HEAD, looks_like_storage, read_storage
from streamvpr.retrieval.vocabulary_npz import ZIP, read_npz, write_npz

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path
    from typing import BinaryIO

    from streamvpr.retrieval.vocabulary_tree import VocabularyTree

BUNDLED = "orb-vocabulary.npz"
WRITERS = {".npz": write_npz, ".txt": write_text}


@dataclass(frozen=True, slots=True)
class VocabularyInfo:
    """What a file holds."""

    file: str
    k: int
    """Most children of a node."""
    L: int
    """Most levels."""
    words: int
    nodes: int
    stopped: int
    """Words of weight 0, which are left out."""
    weighting: str
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def bundled_vocabulary() -> Path:
    """The one that ships."""
    return bundled_folder() / BUNDLED


def read_vocabulary(path: Path) -> VocabularyTree:
    """The tree of this program's own .npz, DBoW2's text, or DBoW3's binary, YAML or XML.

    Raises ModelError for what is missing, damaged, of another kind of descriptors or too large.
    """
    try:
        with path.open("rb") as file:
            read = _reader(file.read(HEAD))
            file.seek(0)
            return read(file)
    except OSError as error:
        raise ModelError(
            f"cannot read the vocabulary {path}: {error.strerror or error}; give the path of a file"
        ) from error
    except ValueError as error:
        raise ModelError(
            f"the vocabulary {path} can't be used: {error}; give one that `streamvpr vocabulary "
            "train`, DBoW2 or DBoW3 made of ORB descriptors"
        ) from error
    except MemoryError as error:
        raise ModelError(f"no memory for the vocabulary {path}; give a smaller one") from error


def write_vocabulary(tree: VocabularyTree, path: Path) -> None:
    """Write it: .npz, or DBoW2's text as .txt; what was there before stays until all is written.

    Raises ConfigError for another ending, StoreError.
    """
    write = WRITERS[require_ending(path)]
    try:
        with draft_of(path) as file:
            write(tree, file)
    except OSError as error:
        raise StoreError(
            f"cannot write the vocabulary {path}: {error.strerror}; check the folder"
        ) from error


def require_ending(path: Path, endings: Collection[str] = WRITERS) -> str:
    """Its ending, one that can be written. Raises ConfigError."""
    if path.suffix not in endings:
        raise ConfigError(
            f"a vocabulary is written as {' or '.join(endings)}, and not as {path.name!r}; give "
            "such a name"
        )
    return path.suffix


def describe_vocabulary(path: Path) -> VocabularyInfo:
    """What a file holds. Raises ModelError."""
    tree = read_vocabulary(path)
    return VocabularyInfo(
        file=str(path),
        k=tree.branching,
        L=tree.levels,
        words=tree.words,
        nodes=tree.nodes,
        stopped=int((tree.weights == 0).sum()),
        weighting=tree.weighting.name.lower().replace("_", "-"),
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )


def _reader(head: bytes) -> Callable[[BinaryIO], VocabularyTree]:
    if head.startswith(ZIP):
        return read_npz
    if head.startswith(SIGNATURE):
        return read_binary
    if looks_like_text(head):
        return read_text
    if looks_like_storage(head):
        return read_storage
    raise ValueError("it is neither .npz, DBoW2's text, nor DBoW3's binary, YAML or XML")
