"""What ONNX Runtime prints by itself, kept from the user's terminal and pipes."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STDERR = 2
# How each line of its log begins, after the date: [W:onnxruntime:Default, device_discovery.cc ...
MARK = b":onnxruntime:"


@contextlib.contextmanager
def without_log(mark: bytes = MARK) -> Iterator[None]:
    """Drop the lines with `mark` that a library writes to stderr by itself.

    Those of ONNX Runtime while it is imported: where /sys/class/drm lists a card that is no PCI
    device (Jetson, Raspberry Pi, servers in the cloud) it warns of it, before there is a severity
    that could be set. What others write in the meantime comes out afterwards.
    """
    try:
        kept = os.dup(STDERR)
    except OSError:  # closed: nothing can be printed
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), STDERR)
        try:
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
            caught.seek(0)
            _pass_on(caught.read(), mark)


def _pass_on(text: bytes, mark: bytes) -> None:
    lines = [line for line in text.splitlines(keepends=True) if mark not in line]
    if lines:
        os.write(STDERR, b"".join(lines))


@contextlib.contextmanager
def without_prints() -> Iterator[None]:
    """Drop what ONNX Runtime's Python side prints, such as `Failed to load libcublas`."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
