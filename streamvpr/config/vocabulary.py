"""Options of `vocabulary train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streamvpr.config.reading import ReadingOptions
from streamvpr.parsing import within
from streamvpr.retrieval.vocabulary_tree import MOST_BRANCHES, MOST_LEVELS


@dataclass(frozen=True, kw_only=True)
class VocabularyOptions(ReadingOptions):
    """A vocabulary of the user's own pictures."""

    output: Annotated[
        Path, Parameter(help="A name that ends in .npz, or in .txt for DBoW2's own format.")
    ] = Path("vocabulary.npz")
    branching: Annotated[
        int,
        Parameter(help="Most children of a node.", validator=within(2, MOST_BRANCHES)),
    ] = 10
    levels: Annotated[
        int,
        Parameter(
            help="Levels of the tree: at most BRANCHING to the power of LEVELS words.",
            validator=within(1, MOST_LEVELS),
        ),
    ] = 4
    seed: Annotated[
        int, Parameter(help="Another one gives another vocabulary.", validator=within(0))
    ] = 0
