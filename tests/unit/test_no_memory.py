"""A picture for which there is no memory is a MemoryError, whatever the libraries call it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import resource
from pathlib import Path

import av
from streamvpr.sources.picture import Scalers, VideoPicture

picture = VideoPicture(av.VideoFrame(1920, 1080, "yuv420p"), Scalers())
pages = int(Path("/proc/self/statm").read_text().split()[0])
# Less than the stack of a thread takes.
most = pages * resource.getpagesize() + (4 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    picture.rgb(640, 480)
except MemoryError:
    print("no memory")
"""


def test_no_room_for_the_threads_of_a_scaler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("no memory\n", "")
