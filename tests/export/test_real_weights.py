"""The flagship on real weights and real sequences, where they are found beside the project."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

for _module in ("torch", "torchvision", "onnx", "onnxscript", "onnxslim", "onnxruntime"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import onnxruntime

from streamvpr.embedding import open_embedder
from streamvpr.evaluation import Scores, evaluate, read_positives, read_queries
from streamvpr.export import ExportOptions, Precision, export_model
from streamvpr.export.pictures import read_pictures, spread

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = Path(__file__).resolve().parents[3] / "shared"
DATA, WEIGHTS = SHARED / "data", SHARED / "weights" / "resnet50_conv4_imagenet.pth"

pytestmark = [
    pytest.mark.skipif(not WEIGHTS.exists(), reason="the real weights are not beside the project"),
    pytest.mark.skipif(not DATA.is_dir(), reason="the real sequences are not beside the project"),
    pytest.mark.timeout(600),
]

SIZE = (384, 384)
RUNS = 9


@dataclass(frozen=True)
class Sequence:
    arguments: list[str]
    exclude: int


SEQUENCES = {
    "corridor": Sequence([str(DATA / "corridor/corridor_1fps.mp4"), "--fps", "0"], 20),
    "seasons": Sequence([str(DATA / "seasons/images")], 4),
    "drone": Sequence([str(DATA / "drone/images")], 5),
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Export in a precision, once; 8 bits are calibrated on every fourth picture of all."""
    folder = tmp_path_factory.mktemp("real")
    mix = tmp_path_factory.mktemp("mix")
    for name in SEQUENCES:
        for path in sorted((DATA / name / "images").iterdir())[::4]:
            (mix / f"{name}-{path.name}").symlink_to(path)
    made: dict[str, Path] = {}

    def make(precision: str) -> Path:
        if precision not in made:
            fit = str(mix) if precision == "int8" else None
            options = ExportOptions(
                weights=WEIGHTS, output=folder, precision=Precision(precision), fit=fit
            )
            made[precision] = export_model("resnet50-gem", options).model
        return made[precision]

    return make


def scored(model: Path, name: str) -> Scores:
    sequence = SEQUENCES[name]
    command = [sys.executable, "-m", "streamvpr", "run", *sequence.arguments, "--quiet"]
    command += ["--model", str(model), "--records", "queries"]
    command += ["--exclude-recent", str(sequence.exclude)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
    positives = read_positives(DATA / name / "positives.csv", exclude=sequence.exclude)
    return evaluate(read_queries(lines.splitlines()), positives)


def pictures() -> np.ndarray:
    return np.concatenate(
        [spread(read_pictures(str(DATA / name / "images"), SIZE), 8) for name in SEQUENCES]
    )


def test_the_corridor_closes_no_false_loop_and_nearly_all_true_ones(
    export: Callable[..., Path],
) -> None:
    scores = scored(export("fp32"), "corridor")
    assert scores.precision == 1
    assert scores.recall is not None
    assert scores.recall >= 0.93


def test_half_precision_gives_the_same_descriptors(export: Callable[..., Path]) -> None:
    images = list(pictures())
    full, half = (
        np.concatenate([open_embedder(str(export(p)), device="cpu").embed([i]) for i in images])
        for p in ("fp32", "fp16")
    )
    assert np.sum(full * half, axis=1).min() > 0.999


@pytest.mark.parametrize("name", SEQUENCES)
def test_8_bits_lose_next_to_nothing(name: str, export: Callable[..., Path]) -> None:
    full, quantised = (scored(export(precision), name) for precision in ("fp32", "int8"))
    assert full.average_precision is not None
    assert quantised.average_precision is not None
    assert quantised.average_precision >= full.average_precision - 0.01


def has_vnni() -> bool:
    """Whether the processor multiplies and adds 8 bits without a detour over 16."""
    return "vnni" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")


def test_8_bits_pay_and_the_embedder_costs_nothing(export: Callable[..., Path]) -> None:
    """Ratios of processor time in one run, by turns, so that what else runs here hits all alike.

    8 bits were 2.8 times as fast with VNNI, and 1.8 without.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    bare = onnxruntime.InferenceSession(
        str(export("fp32")), options, providers=["CPUExecutionProvider"]
    )
    full = open_embedder(str(export("fp32")), device="cpu", threads=1)
    quantised = open_embedder(str(export("int8")), device="cpu", threads=1)
    images = list(pictures()[:1])
    batch = np.stack(images)
    work = {
        "bare": lambda: bare.run(None, {"images": batch}),
        "fp32": lambda: full.embed(images),
        "int8": lambda: quantised.embed(images),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS):
        for name, run in work.items():
            began = time.process_time()
            run()
            times[name].append(time.process_time() - began)
    medians = {name: statistics.median(found) for name, found in times.items()}
    print(medians)
    assert medians["fp32"] / medians["int8"] >= (1.8 if has_vnni() else 1.4)
    assert medians["bare"] / medians["fp32"] >= 0.95
