#!/usr/bin/env python3
"""What a frame costs as a well-known tutorial on place recognition does it.

    python tools/seed_baseline.py IMAGES --weights resnet50.pth --exclude-recent 30
    python tools/seed_baseline.py flight.mp4

The program of OpenCV's article "Visual Place Recognition: A Hands-on Tutorial", written afresh with
the libraries that it takes, to measure what it costs; tools/article_baseline.py is the same method
on any model of streamvpr, to measure how well it recognises. One picture after the other:

- PIL reads it, or PyAV decodes a video's frame and hands it over as a picture of PIL's. torchvision
  scales it until its shorter side is 384 pixels (`--size`), cuts the middle out and normalises it.
- ResNet-50 in torch, eagerly, in a batch of one; generalised mean; a linear layer that nobody
  trained, to 512 numbers of length 1, drawn from `--seed`.
- All descriptors of the past are stacked anew, the most similar one is the candidate, and of both
  pictures ORB's features are found again, at full size; tools/article.py has the decisions.

`--weights` is a checkpoint of a ResNet-50, which is cut after the last stage that it has; without,
the whole network with random weights, which costs as much as the trained one. The frames of a video
are kept as pictures, since the article has files to look at again: 3 MB each at 1280x720.

Standard output holds `query` records as `streamvpr run --records queries` prints them, without a
confidence, and a `stream` record with the number of frames at the end. Standard error says at last
what a frame cost: processor time of all threads, without that of starting up. It needs streamvpr
with torch and torchvision (`pip install 'streamvpr[export]'`).
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import torch
from article import View, add_options, add_past, judge_of, read_gray, run
from av.error import FFmpegError
from PIL import Image
from torchvision.transforms import v2 as transforms

from streamvpr.embedding.cores import usable_cores
from streamvpr.errors import SourceOpenError, StreamVPRError
from streamvpr.export.architectures.building import Cut
from streamvpr.export.architectures.resnet import build_resnet50_gem, make_resnet50_gem
from streamvpr.export.strides import strides_in_1x1
from streamvpr.export.weights import read_weights
from streamvpr.networks import find_network
from streamvpr.sources.images import SUFFIXES, natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet."""


class Describer:
    """Pictures to descriptors of length 1, one at a time."""

    def __init__(self, network: Any, size: int, dimension: int, seed: int) -> None:
        """`network`: normalised pictures (1, 3, H, W) to features (1, D)."""
        self._prepare = transforms.Compose(
            [
                transforms.Resize(size),
                transforms.CenterCrop(size),
                transforms.PILToTensor(),
                transforms.ToDtype(torch.float32, scale=True),
                transforms.Normalize(MEAN, STD),
            ]
        )
        self._network = network.eval()
        with torch.inference_mode():
            features = self._network(torch.zeros(1, 3, size, size)).shape[1]
        torch.manual_seed(seed)
        self._projection = torch.nn.Linear(features, dimension)

    def describe(self, picture: Image.Image) -> NDArray[np.float32]:
        """(D,) of a picture in RGB."""
        with torch.inference_mode():
            features = self._network(self._prepare(picture)[None])
            projected = torch.nn.functional.normalize(self._projection(features))
        return np.asarray(projected[0].numpy(), np.float32)


def open_network(weights: Path | None) -> Any:
    """ResNet-50 with GeM up to the last stage of the weights; all of it, untrained, without them.

    Raises ModelError.
    """
    if weights is None:
        torch.manual_seed(0)
        return make_resnet50_gem("layer4")
    state, network = read_weights(weights).state, find_network("resnet50-gem")
    assert network is not None
    cut = Cut(network.size)
    v1 = strides_in_1x1(state, cut, network)
    return build_resnet50_gem(state, Cut(network.size, stride_in_1x1=v1))


def views(source: Path, describer: Describer) -> Iterator[View]:
    """The pictures of a folder in natural order, or the frames of a video.

    Raises SourceOpenError, OSError.
    """
    if source.is_dir():
        for path in images_of(source):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            yield View(describer.describe(picture), partial(read_gray, str(path)))
        return
    for picture in frames_of(source):
        yield View(describer.describe(picture), partial(gray, picture))


def images_of(folder: Path) -> list[Path]:
    """Its image files. Raises SourceOpenError where there is none."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    if not found:
        raise SourceOpenError(f"no images in the folder {folder}", url=str(folder))
    return sorted(found, key=lambda path: natural_key(path.name))


def frames_of(video: Path) -> Iterator[Image.Image]:
    """All of them, in RGB. Raises SourceOpenError where FFmpeg cannot read it."""
    try:
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                yield frame.to_image()  # type: ignore[no-untyped-call]
    except FFmpegError as error:
        raise SourceOpenError(f"cannot read {video}: {error.strerror}", url=str(video)) from error


def gray(picture: Image.Image) -> NDArray[np.uint8]:
    """The luma (H, W) uint8 of a picture."""
    return np.asarray(picture.convert("L"), np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Run and print; the exit codes of streamvpr, with a line on stderr where something fails."""
    options = parse(arguments)
    torch.set_num_threads(options.threads or usable_cores())
    try:
        describer = Describer(
            open_network(options.weights), options.size, options.dimension, options.seed
        )
        judge = judge_of(options, options.min_loop_gap)
        began = time.process_time()
        name = options.source.name if options.source.is_dir() else options.source.stem
        frames = run(name, views(options.source, describer), judge, options.exclude_recent)
    except StreamVPRError as error:
        print(f"seed_baseline: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"seed_baseline: error: {error}", file=sys.stderr)
        return 4
    seconds = time.process_time() - began
    print(
        f"seed_baseline: {frames} frames, {seconds / max(frames, 1):.3f} CPU s a frame",
        file=sys.stderr,
    )
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="IMAGES|VIDEO")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of a ResNet-50")
    parser.add_argument("--size", type=int, default=384, metavar="PIXELS", help="a side")
    parser.add_argument("--threads", type=int, default=0, help="of torch, 0 for all cores")
    add_past(parser)
    add_options(parser)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
