"""The camera that a run is told of, and whether the pictures that come are that camera's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamvpr.errors import ConfigError
from streamvpr.geometry import Geometry, read_camera

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamvpr.config import RecognitionOptions
    from streamvpr.frames import Decision, Described
    from streamvpr.geometry import Camera

    Observe = Callable[[Described], Decision | None]


def open_camera(options: RecognitionOptions) -> Camera | None:
    """What `--camera` names; None where it names nothing. Raises ConfigError."""
    if options.camera is None:
        if options.verify_geom and options.geometry is Geometry.ESSENTIAL:
            raise ConfigError(
                "--geometry essential needs the calibration of the camera: --camera FILE"
            )
        return None
    if not options.verify_geom:
        raise ConfigError(
            f"--camera {options.camera}: there is no pose without geometry; leave out "
            "--no-verify-geom"
        )
    if options.geometry is Geometry.FUNDAMENTAL:
        raise ConfigError(
            f"--camera {options.camera}: a fundamental matrix has no use for it; give --geometry "
            "auto or essential"
        )
    return read_camera(options.camera)


def of_camera(camera: Camera | None, observe: Observe) -> Observe:
    """`observe`, which raises ConfigError before the first picture that is not the camera's."""
    if camera is None:
        return observe

    def checked(item: Described) -> Decision | None:
        keyframe = item.keyframe
        camera.require_size(keyframe.width, keyframe.height, shown=keyframe.path)
        return observe(item)

    return checked
