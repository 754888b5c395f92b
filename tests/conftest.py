"""A tiny model, made-up scenes and videos of them, and an eye on what the package logs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

WIDTH, HEIGHT = 160, 120

CODEC_OPTIONS = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "mpeg4": {"q": "4"},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run the tests over time for minutes, not seconds"
    )


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether tests over time are to take their full time."""
    return bool(pytestconfig.getoption("long"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_errors: the package is expected to log an ERROR")


@dataclass(frozen=True)
class Logged:
    """Every record of the package, whatever handlers and propagation are set to."""

    records: list[logging.LogRecord]

    def messages(self, level: int) -> list[str]:
        return [r.getMessage() for r in self.records if r.levelno == level]

    @property
    def warnings(self) -> list[str]:
        return self.messages(logging.WARNING)

    @property
    def errors(self) -> list[str]:
        return self.messages(logging.ERROR)


@pytest.fixture(autouse=True)
def logged(request: pytest.FixtureRequest) -> Iterator[Logged]:
    """What the package logs; an ERROR fails a test that is not marked `logs_errors`.

    Puts the logger back as it was, since the command line sets it up anew.
    """
    logger = logging.getLogger("streamvpr")
    state = logger.level, list(logger.handlers), logger.propagate
    factory = logging.getLogRecordFactory()
    seen = Logged([])

    def watched(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        if record.name.partition(".")[0] == "streamvpr":
            seen.records.append(record)
        return record

    logging.setLogRecordFactory(watched)
    yield seen
    logging.setLogRecordFactory(factory)
    logger.setLevel(state[0])
    logger.handlers, logger.propagate = state[1], state[2]
    if request.node.get_closest_marker("logs_errors") is None:
        assert not seen.errors


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ONNX and card: an 8x8 average pool of a 32x32 picture, less its mean, of length 1."""
    path = tmp_path_factory.mktemp("models") / "tiny.onnx"
    onnx.save(_tiny_graph(), path)
    path.with_suffix(".toml").write_text(
        'name = "tiny"\nlicence = "Apache-2.0"\nsource = "made by a test"\ndimension = 193\n'
        "[input]\nwidth = 32\nheight = 32\n"
        "[threshold]\nvalue = 0.7\nwithout_geometry = 0.9\n",
        encoding="utf-8",
    )
    return path


def _tiny_graph() -> onnx.ModelProto:
    """A blank picture is a unit vector too: one more dimension is always 1."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]
        ),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["centred"]),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["always"]),
        helper.make_node("Concat", ["centred", "always"], ["all"], axis=1),
        helper.make_node("LpNormalization", ["all"], ["descriptor"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, ["batch", 193])],
        [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def _texture(seed: int, width: int = 400, height: int = 300) -> Image:
    """A scene, the same for one seed: patches of colour for the model, corners for ORB."""
    chance = np.random.default_rng(seed)
    patches = chance.integers(40, 216, (height // 40 + 1, width // 40 + 1, 3), np.uint8)
    scene = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(width * height // 700):
        x, y = int(chance.integers(width)), int(chance.integers(height))
        w, h = (int(side) for side in chance.integers(3, 12, 2))
        shade = [int(c) for c in chance.integers(0, 256, 3)]
        cv2.rectangle(scene, (x, y), (x + w, y + h), shade, -1)
    return np.asarray(cv2.GaussianBlur(scene, (0, 0), 0.7), np.uint8)


def _view(scene: Image, x: int = 0, y: int = 0) -> Image:
    """What a camera sees of a scene from there."""
    return np.ascontiguousarray(scene[y : y + HEIGHT, x : x + WIDTH])


def _noisy(image: Image, seed: int, amplitude: int = 3) -> Image:
    """The same picture with a sensor's noise."""
    grain = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _make_video(
    path: Path,
    images: Iterable[Image],
    *,
    fps: int = 10,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    milliseconds: list[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode (H, W, 3) RGB pictures; `milliseconds` are their PTS where the rate varies."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg lacks {codec}")
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(
            codec, rate=fps, options={**CODEC_OPTIONS.get(codec, {}), **(options or {})}
        )
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        time_base = Fraction(1, fps) if milliseconds is None else Fraction(1, 1000)
        stream.codec_context.time_base = time_base
        for index, image in enumerate(images):
            if index == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index if milliseconds is None else milliseconds[index]
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def texture() -> Callable[..., Image]:
    return _texture


@pytest.fixture(scope="session")
def view() -> Callable[..., Image]:
    return _view


@pytest.fixture(scope="session")
def noisy() -> Callable[..., Image]:
    return _noisy


@pytest.fixture(scope="session")
def make_video() -> Callable[..., Path]:
    return _make_video


@dataclass(frozen=True)
class Flight:
    """A video of a camera that pans round and comes back: frame LAP shows what frame 0 did."""

    path: Path
    frames: int
    lap: int


def _pan(seed: int, frames: int, lap: int) -> Iterator[Image]:
    step = 40
    scene = _texture(seed, lap * step, HEIGHT + 10)
    around = np.hstack([scene, scene[:, :WIDTH]])
    for index in range(frames):
        turns, at = divmod(index, lap)
        yield _noisy(_view(around, at * step, 4 * turns), index)


@pytest.fixture(scope="session")
def make_flight(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Flight]:
    """Flights over ground of a seed, at 10 frames a second."""
    folder = tmp_path_factory.mktemp("flights")

    def make(seed: int = 0, *, frames: int = 60, lap: int = 48, name: str = "") -> Flight:
        path = folder / f"{name or f'flight{seed}-{frames}-{lap}'}.mp4"
        if not path.exists():
            _make_video(path, _pan(seed, frames, lap))
        return Flight(path, frames, lap)

    return make


@pytest.fixture(scope="session")
def flight(make_flight: Callable[..., Flight]) -> Flight:
    """60 frames at 160x120: a lap of 48, and the first 12 places again."""
    return make_flight(name="flight")


@pytest.fixture(scope="session")
def pan() -> Callable[..., Iterator[Image]]:
    return _pan


POOLED = 193
TYPES = {
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
}


def _pooling_graph(
    *,
    dtype: str = "uint8",
    layout: str = "nhwc",
    batch: int | str = "batch",
    height: int | str = 32,
    width: int | str = 32,
    channels: int | str = 3,
    normalise: bool = True,
    always: float = 1.0,
    gain: float = 1.0,
    gives: str = "float32",
    dimension: int | str = POOLED,
    trailing: bool = False,
    second: bool = False,
    opset: int = 17,
) -> onnx.ModelProto:
    """An 8x8 average pool and one dimension more, which is always the same, as asked for."""
    image = [channels, height, width] if layout == "nchw" else [height, width, channels]
    out: list[int | str] = ["batch" if isinstance(batch, str) else batch, dimension]
    nodes = [helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT)]
    planes = "float"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]))
        planes = "planes"
    nodes += [
        helper.make_node("AveragePool", [planes], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Mul", ["flat", "gain"], ["scaled"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "always"], ["constant"]),
        helper.make_node("Concat", ["scaled", "constant"], ["raw"], axis=1),
    ]
    last = "raw"
    if normalise:
        nodes.append(helper.make_node("LpNormalization", ["raw"], ["unit"], axis=1, p=2))
        last = "unit"
    if trailing:
        nodes.append(helper.make_node("Unsqueeze", [last, "axes"], ["deep"]))
        last, out = "deep", [*out, 1, 1]
    nodes.append(helper.make_node("Cast", [last], ["descriptor"], to=TYPES[gives]))
    outputs = [helper.make_tensor_value_info("descriptor", TYPES[gives], out)]
    if second:
        outputs.insert(
            0, helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [out[0], 3, 8, 8])
        )
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("pixels", TYPES[dtype], [batch, *image])],
        outputs,
        [
            helper.make_tensor("gain", TensorProto.FLOAT, [1], [gain]),
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("always", TensorProto.FLOAT, [1], [always]),
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """A pooling model and its card; `card` are lines at its top, None is no card at all."""

    def make(card: str | None = "", name: str = "made", **graph: Any) -> Path:
        path = tmp_path / f"{name}.onnx"
        onnx.save(_pooling_graph(**graph), path)
        if card is not None:
            path.with_suffix(".toml").write_text(
                f'name = "{name}"\nlicence = "none"\nsource = "made by a test"\n'
                f"dimension = {POOLED}\ninput.width = 32\ninput.height = 32\n{card}\n",
                encoding="utf-8",
            )
        return path

    return make
