"""The Rerun SDK, loaded where it is asked for, and made to keep to itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

INSTALL = "pip install 'streamvpr[rerun]'"
APPLICATION = "streamvpr"
# What the SDK's own log would say, sinks say as this program does; its viewer counts who uses it.
QUIET = {"RUST_LOG": "off", "RERUN_ANALYTICS": "0"}

# One of the SDK's: its types are not there where types are checked.
Recording = Any


class Rerun(NamedTuple):
    """The modules of the SDK."""

    sdk: ModuleType
    blueprint: ModuleType

    def recording(self, identity: str) -> Recording:
        """A stream of data that goes nowhere yet; those of one identity are one to a viewer."""
        return self.sdk.RecordingStream(APPLICATION, recording_id=identity)


def load_rerun() -> Rerun:
    """Import the SDK, which takes a second. Raises ConfigError where it is missing."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import rerun
        import rerun.blueprint

        # Those before 0.23 draw curves otherwise.
        from rerun import Scalars  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--rerun needs rerun-sdk 0.23 or newer: {INSTALL}", remedy=INSTALL
        ) from error
    # What it would do as the interpreter ends is wait, without end, for viewers that are gone.
    rerun.unregister_shutdown()
    return Rerun(rerun, rerun.blueprint)
