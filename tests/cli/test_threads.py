"""NumPy's library and OpenCV have no threads of their own while a command runs."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import cv2, numpy, sys
from threadpoolctl import threadpool_info
from streamvpr.cli import app, run_command

def threads():
    blas = {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}
    return blas, cv2.getNumThreads()

@app.command
def probe() -> int:
    print(threads())
    return 0

cv2.setNumThreads(3)
before = threads()
assert run_command(["probe"]) == 0
assert threads() == before
"""


def test_work_stays_on_the_thread_of_its_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "({1}, 1)\n"
