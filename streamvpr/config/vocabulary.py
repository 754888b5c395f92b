"""Options of `vocabulary train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.reading import ReadingOptions
from streamvpr.errors import ConfigError
from streamvpr.frames import FeatureKind
from streamvpr.parsing import within
from streamvpr.retrieval.kind import RetrieverKind
from streamvpr.retrieval.vocabulary_tree import MOST_BRANCHES, MOST_LEVELS


@dataclass(frozen=True, kw_only=True)
class VocabularyOptions(ReadingOptions):
    """A vocabulary of the user's own pictures."""

    retriever: Annotated[
        RetrieverKind,
        Parameter(
            help="Whose: dbow (a tree of ORB words), bow (SIFT words), vlad or fisher (what these "
            "make of SIFT features)."
        ),
    ] = RetrieverKind.DBOW
    local_features: Annotated[
        FeatureKind | None,
        Parameter(
            help="Of vlad, fisher and bow, instead of sift: orb. `run` wants the same option then."
        ),
    ] = None
    output: Annotated[
        Path, Parameter(help="A name that ends in .npz, or for dbow in .txt: DBoW2's own format.")
    ] = Path("vocabulary.npz")
    branching: Annotated[
        int,
        Parameter(help="Of dbow: most children of a node.", validator=within(2, MOST_BRANCHES)),
    ] = 10
    levels: Annotated[
        int,
        Parameter(
            help="Of dbow, levels of the tree: at most BRANCHING to the power of LEVELS words.",
            validator=within(1, MOST_LEVELS),
        ),
    ] = 4
    seed: Annotated[
        int, Parameter(help="Another one gives another vocabulary.", validator=within(0))
    ] = 0

    def feature_kind(self) -> FeatureKind:
        """The features that it is learned of. Raises ConfigError for what cannot be learned."""
        kind = self.retriever
        if kind is not RetrieverKind.DBOW and not kind.is_encoder:
            raise ConfigError(f"--retriever {kind} learns nothing; give dbow, bow, vlad or fisher")
        own = kind.features or FeatureKind.ORB
        asked = self.local_features or own
        if asked not in ((own, FeatureKind.ORB) if kind.is_encoder else (own,)):
            raise ConfigError(f"--retriever {kind} is learned of {own} features, not of {asked}")
        return asked
