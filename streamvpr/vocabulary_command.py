"""`streamvpr vocabulary`: what retrievers have learned, of one's own pictures or of others."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path  # noqa: TC003 - read by cyclopts at run time
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from streamvpr.config import VocabularyOptions
from streamvpr.execution import open_stoppably, print_text, stopped_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

vocabularies = App(name="vocabulary", help="Words of local features: train them, look at them.")


@vocabularies.command
def train(
    *sources: Annotated[
        str, Parameter(help="A video file or a folder of images; NAME=SOURCE names the stream.")
    ],
    options: Annotated[VocabularyOptions | None, Parameter(name="*")] = None,
) -> int:
    """A vocabulary of your own recordings, for whatever learns; what it is from, as JSON."""
    from streamvpr.vocabulary_training import open_trainer

    chosen = options or VocabularyOptions()
    with _shown() as progress:
        trainer = open_stoppably(lambda: open_trainer(list(sources), chosen, progress))
        if trainer is None:
            return 0
        with stopped_by_signals(trainer.stop):
            sample = trainer.read()
        trained = trainer.train(sample)
    trained.write(chosen.output)
    print_text(json.dumps(trained.as_json() | _described(chosen.output)))
    return 0


@vocabularies.command
def info(
    file: Annotated[
        Path, Parameter(help="One that `train` made, DBoW2's text, or DBoW3's binary, YAML or XML.")
    ],
    /,
) -> int:
    """Whose it is, how many words it has, bytes and checksum of a vocabulary, as JSON."""
    print_text(json.dumps(_described(file)))
    return 0


def _described(file: Path) -> dict[str, Any]:
    from streamvpr.retrieval.encoders import describe_encoder, is_encoder_file
    from streamvpr.retrieval.vocabulary_file import describe_vocabulary

    described = describe_encoder(file) if is_encoder_file(file) else describe_vocabulary(file)
    return described.as_json()


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[float], None]]:
    """What shows the share of the training that is done, where stderr is a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bars:
        bar = bars.add_task("training", total=1.0, visible=False)
        yield lambda share: bars.update(bar, completed=share, visible=True)
