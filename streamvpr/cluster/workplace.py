"""Where a process of a cluster works: in the folder in which the run was started."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import cv2


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the driver's process has, and those of its actors shall have, too."""

    folder: Path
    opencv_threads: int

    @classmethod
    def mine(cls) -> Workplace:
        """This process's."""
        return cls(Path.cwd(), cv2.getNumThreads())


def settle(workplace: Workplace) -> None:
    """Be there, so that relative names mean what the user meant.

    A node that has no such folder finds only absolute names; whatever is opened says so.
    """
    cv2.setNumThreads(workplace.opencv_threads)
    with contextlib.suppress(OSError):
        os.chdir(workplace.folder)
