"""NumPy's library has no threads of its own while a command runs."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import numpy, sys
from threadpoolctl import threadpool_info
from streamvpr.cli import app, run_command

def threads():
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

@app.command
def probe() -> int:
    print(threads())
    return 0

before = threads()
assert run_command(["probe"]) == 0
assert threads() == before
"""


def test_products_stay_on_the_thread_of_their_stage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "{1}\n"
