"""How pictures go through a graph: what it says, and what its card adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamvpr.embedding.batching import BoundRunner, PlainRunner, bucket_sizes
from streamvpr.embedding.preprocess import pixel_form
from streamvpr.embedding.runtime import first_line
from streamvpr.embedding.signature import output_of, read_signature
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from streamvpr.embedding.batching import Runner
    from streamvpr.embedding.card import ModelCard
    from streamvpr.embedding.preprocess import PixelForm
    from streamvpr.embedding.signature import Signature

# Whose memory the buffers of a device lie in, as ONNX Runtime names it.
MEMORY = {"cpu": "cpu", "cuda": "cuda", "tensorrt": "cuda"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How pictures go through a graph."""

    name: str
    signature: Signature
    output: str
    form: PixelForm
    batch_size: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batches that a GPU is to see: the graph's own where it is fixed."""
        fixed = self.signature.batch
        return (fixed,) if fixed else bucket_sizes(self.batch_size)

    def runner(self, runtime: ModuleType, session: Any, device: str) -> Runner:
        """What runs the session there. Raises ModelError where a first run of it fails."""
        names = (self.signature.input, self.output)
        if device == "cpu" and self.signature.batch is None:
            return PlainRunner(session, *names, self.form)
        try:
            return BoundRunner(
                *(runtime, session, *names, self.form),
                sizes=self.sizes,
                device=MEMORY[device],
            )
        except ModelError:
            raise
        except Exception as error:  # onnxruntime raises classes of its C++ side, all of Exception
            raise ModelError(
                f"the model {self.name} does not run on {device} in batches of "
                f"{', '.join(map(str, self.sizes))}: {first_line(error)}"
            ) from error


def make_plan(session: Any, path: Path, card: ModelCard, batch_size: int) -> Plan:
    """The plan of an opened model. Raises ModelError where file and card do not fit."""
    signature = read_signature(session, path)
    output = output_of(signature, card.output, path)
    return Plan(card.name, signature, output, pixel_form(signature, card.input, path), batch_size)
