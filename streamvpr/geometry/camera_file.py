"""Cameras as calibration programs write them: ROS, Kalibr and OpenCV, all of them YAML.

    camera_info   camera_matrix.data, distortion_model, distortion_coefficients.data, image_width
    CameraInfo    k, d (K, D in ROS 1), distortion_model, width: the message, as `ros2 topic echo`
                  prints it
    camchain      cam0: intrinsics, distortion_coeffs, distortion_model, camera_model, resolution
    FileStorage   camera_matrix, distortion_coefficients as !!opencv-matrix, image_width

One safe parser reads them all. OpenCV's own reader is not used for its files: one that is nested
deeply takes the whole process with it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamvpr.errors import ConfigError
from streamvpr.geometry.camera import Camera, Distortion
from streamvpr.presence import is_there

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALL = "pip install 'streamvpr[camera]'"
# OpenCV's files hold all corners of all pictures, too: some tens of kilobytes. Reading this much
# takes seconds, safely.
LARGEST_FILE = 2**18
LARGEST_SIDE = 2**16
FOCAL_LENGTHS = (1.0, 1e6)
KALIBR_CAMERA = re.compile(r"cam\d+")
# OpenCV's first line is not what YAML has there.
OPENCV_HEADER = re.compile(r"\A%YAML:1\.[0-9][^\n]*\n")
OPENCV_TAG = "tag:yaml.org,2002:opencv-"

LENSES = {
    "plumb_bob": Distortion.RADTAN,
    "rational_polynomial": Distortion.RADTAN,
    "radtan": Distortion.RADTAN,
    "equidistant": Distortion.EQUIDISTANT,
    "fisheye": Distortion.EQUIDISTANT,
    "none": Distortion.NONE,
    "": Distortion.NONE,
}


def read_camera(name: str) -> Camera:
    """The camera of `FILE`, or of `FILE#cam1` where a Kalibr chain has several.

    Raises ConfigError where it cannot be read, is none of these formats, or holds what cannot be.
    """
    path, entry = _split(name)
    try:
        document = _parse(_text(path))
        if not isinstance(document, dict):
            raise _Unusable("holds no keys; it is no calibration of ROS, Kalibr or OpenCV")
        return _camera({str(key): value for key, value in document.items()}, entry, path)
    except _Unusable as error:
        raise ConfigError(f"--camera {name}: {error}") from error


class _Unusable(Exception):
    """What is wrong with a file, without its name."""


def _split(name: str) -> tuple[Path, str | None]:
    """A file, and behind a `#` the camera in it."""
    path, separator, entry = name.rpartition("#")
    if not separator or is_there(Path(name)):
        return Path(name), None
    return Path(path), entry


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _Unusable(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _Unusable(f"is no name of a file: {error}") from error
    if len(data) > LARGEST_FILE:
        raise _Unusable(f"has more than {LARGEST_FILE} bytes; that is no calibration")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unusable("is no text; give the YAML of ROS, Kalibr or OpenCV") from error


def _parse(text: str) -> Any:
    """The first document of the YAML. Raises _Unusable, and ConfigError without the extra."""
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(
            f"--camera needs the extra `camera`, which is not installed: {INSTALL}",
            remedy=INSTALL,
        ) from error

    # Not the faster parser in C: that one has no limit to its recursion.
    class Loader(yaml.SafeLoader):
        """Knows OpenCV's matrices as what they are: keys and values."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Merge no keys (`<<`): a few lines of them would fill the memory."""

    Loader.add_multi_constructor(
        OPENCV_TAG, lambda loader, suffix, node: loader.construct_mapping(node, deep=True)
    )
    try:
        documents: Iterator[Any] = yaml.load_all(OPENCV_HEADER.sub("", text), Loader)
        return next(documents, None)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise _Unusable(f"is no YAML: {line}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise _Unusable("is no YAML: it holds characters that no text has") from error
    except RecursionError as error:
        raise _Unusable("is nested too deeply; that is no calibration") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # Of dates, numbers in base 60 and the like that look right and are not.
        raise _Unusable(f"is no YAML that can be understood: {_one_line(error)}") from error


def _camera(document: dict[str, Any], entry: str | None, path: Path) -> Camera:
    chain = sorted(key for key in document if KALIBR_CAMERA.fullmatch(key))
    if chain:
        chosen = _chosen(chain, entry, path)
        return _from_kalibr(_mapping(document[chosen], chosen))
    if entry is not None:
        raise _Unusable(f"is no Kalibr chain, and has no camera {entry}; leave out #{entry}")
    if "camera_matrix" in document:
        return _from_matrices(document)
    if "k" in document or "K" in document:
        return _from_message(document)
    raise _Unusable(
        "has none of camera_matrix (ROS, OpenCV), k or K (CameraInfo) and cam0 (Kalibr)"
    )


def _chosen(chain: list[str], entry: str | None, path: Path) -> str:
    if entry is None and len(chain) == 1:
        return chain[0]
    if entry in chain:
        return str(entry)
    wanted = "holds several cameras" if entry is None else f"has no camera {entry}"
    raise _Unusable(f"{wanted}; say which: " + ", ".join(f"{path}#{key}" for key in chain))


def _from_kalibr(camera: dict[str, Any]) -> Camera:
    model = _word(camera, "camera_model")
    if model != "pinhole":
        raise _Unusable(
            f"camera_model {model!r} is not supported; calibrate as pinhole with radtan or "
            "equidistant"
        )
    fx, fy, cx, cy = _numbers(camera, "intrinsics", 4)
    width, height = _numbers(camera, "resolution", 2)
    distortion = _lens(_word(camera, "distortion_model"))
    coefficients = (
        _numbers(camera, "distortion_coeffs") if distortion is not Distortion.NONE else ()
    )
    return _checked(width, height, (fx, fy, cx, cy), distortion, coefficients)


def _from_matrices(document: dict[str, Any]) -> Camera:
    """ROS's camera_info, and what OpenCV's sample for calibration writes: they are much alike."""
    matrix = _numbers(_mapping(document["camera_matrix"], "camera_matrix"), "data", 9)
    lens = _mapping(_required(document, "distortion_coefficients"), "distortion_coefficients")
    default = "fisheye" if document.get("fisheye_model") else "radtan"
    distortion = _lens(_word(document, "distortion_model", default))
    width, height = (_number(_required(document, k), k) for k in ("image_width", "image_height"))
    return _checked(width, height, _pinhole(matrix), distortion, _numbers(lens, "data"))


def _from_message(document: dict[str, Any]) -> Camera:
    matrix = _numbers(document, "k" if "k" in document else "K", 9)
    coefficients = _numbers(document, "d" if "d" in document else "D")
    distortion = _lens(_word(document, "distortion_model"))
    width, height = (_number(_required(document, key), key) for key in ("width", "height"))
    _refuse_cropped(document, width, height)
    return _checked(width, height, _pinhole(matrix), distortion, coefficients)


def _refuse_cropped(document: dict[str, Any], width: float, height: float) -> None:
    region = document.get("roi")
    if not isinstance(region, dict):
        return
    keys = ("x_offset", "y_offset", "width", "height")
    named = tuple(_number(region.get(key, 0), f"roi.{key}") for key in keys)
    if named not in ((0, 0, 0, 0), (0, 0, width, height)):
        raise _Unusable(
            f"roi {named} is a part of the picture; give the calibration of what the video shows"
        )


def _pinhole(matrix: tuple[float, ...]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of the nine numbers of a camera matrix."""
    fx, skew, cx, below, fy, cy, *last = matrix
    if (skew, below, *last) != (0, 0, 0, 0, 1):
        raise _Unusable(
            "the camera matrix is not fx 0 cx, 0 fy cy, 0 0 1: pixels that are no rectangles are "
            "not supported"
        )
    return fx, fy, cx, cy


def _lens(model: str) -> Distortion:
    try:
        return LENSES[model]
    except KeyError:
        known = ", ".join(name for name in LENSES if name)
        raise _Unusable(f"distortion_model {model!r} is not supported, only {known}") from None


def _checked(
    width: float,
    height: float,
    pinhole: tuple[float, float, float, float],
    distortion: Distortion,
    coefficients: tuple[float, ...],
) -> Camera:
    """The camera, where there can be such a one."""
    for side in (width, height):
        if side != int(side) or not 1 <= side <= LARGEST_SIDE:
            raise _Unusable(f"the size {width:g}x{height:g} is no picture's")
    least, most = FOCAL_LENGTHS
    for focal in pinhole[:2]:
        if not least <= focal <= most:
            raise _Unusable(f"the focal length {focal:g} is not within {least:g} and {most:g}")
    if not any(coefficients):
        # Drivers of cameras without a calibration of the lens write no numbers, or zeros.
        distortion, coefficients = Distortion.NONE, ()
    if len(coefficients) not in distortion.lengths:
        lengths = ", ".join(map(str, distortion.lengths))
        raise _Unusable(
            f"{len(coefficients)} coefficients of distortion; {distortion} takes {lengths}"
        )
    return Camera(int(width), int(height), *pinhole, distortion, coefficients)


def _required(document: dict[str, Any], key: str) -> Any:
    if key not in document:
        raise _Unusable(f"lacks {key}")
    return document[key]


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unusable(f"{key} holds no keys")
    return value


def _word(document: dict[str, Any], key: str, default: str | None = None) -> str:
    value = _required(document, key) if default is None else document.get(key, default)
    if not isinstance(value, str):
        raise _Unusable(f"{key} is no word: {_one_line(value)}")
    return value.strip().lower()


def _numbers(document: dict[str, Any], key: str, count: int | None = None) -> tuple[float, ...]:
    values = _required(document, key)
    if not isinstance(values, list):
        raise _Unusable(f"{key} is no list of numbers")
    if count is not None and len(values) != count:
        raise _Unusable(f"{key} has {len(values)} numbers and not {count}")
    return tuple(_number(value, key) for value in values)


def _number(value: Any, key: str) -> float:
    """A finite number. YAML takes 1e-05, which C++ writes, for a word."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise _Unusable(f"{key} holds {_one_line(value)}, which is no finite number")


def _one_line(value: object) -> str:
    """A value as a message shows it; what holds others may hold them a billion times."""
    if isinstance(value, dict | list | set | tuple):
        return "a list" if isinstance(value, list) else "keys and values"
    text = " ".join((str(value) if isinstance(value, Exception) else repr(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."
