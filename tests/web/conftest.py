"""A browser that pages are opened in; tests that need one are skipped where there is none."""

from __future__ import annotations

import contextlib
import shutil
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import pytest

from .served import NO_WEB, Camera, Served, plain_environment, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from playwright.sync_api import Browser

    Image = NDArray[np.uint8]

NO_BROWSER = "needs chromium: apt-get install chromium"
NO_DRIVER = "needs playwright and axe-playwright-python: pip install both"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; it is the system's own, and nothing is downloaded.

    While it is open an event loop runs on this thread: a test with a browser runs the program in
    a process of its own, and tests of other modules must not find that loop.
    """
    try:
        import axe_playwright_python.sync_playwright  # noqa: F401
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(NO_DRIVER)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        # Containers have no user namespaces for the sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def _serving(folder: Path, model: Path) -> Iterator[Callable[..., Served]]:
    for name in ("starlette", "uvicorn", "prometheus_client"):
        pytest.importorskip(name, reason=NO_WEB)
    runs: list[Served] = []

    def start(*arguments: object, where: object = 0, token: str | None = None) -> Served:
        known = ["--model", model, "--fps", 0, "--top-k", 2, "--threads", 1, "--serve", where]
        environment = plain_environment()
        if token is not None:
            environment["STREAMVPR_TOKEN"] = token
        log = folder / f"run{len(runs)}.log"
        runs.append(Served([str(a) for a in (*arguments, *known)], environment, log).start())
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


@pytest.fixture
def serve(tmp_path: Path, tiny_model: Path) -> Iterator[Callable[..., Served]]:
    """Start a run of the tiny model with a page: `serve(source, ..., token=...)`."""
    with _serving(tmp_path, tiny_model) as start:
        yield start


@pytest.fixture(scope="session")
def done(
    tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, flight: Any
) -> Iterator[Served]:
    """A run of the flight that is over, whose page stays."""
    with _serving(tmp_path_factory.mktemp("done"), tiny_model) as start:
        run = start(flight.path, "--exclude-recent", 10, "--keep-serving", "--records", "all")
        until(lambda: "its page stays" in run.err, "end", run)
        yield run


@pytest.fixture
def camera(pan: Callable[..., Iterator[Image]]) -> Iterator[Callable[..., Camera]]:
    """Feed a run whose source is `-`: a lap of 20 views, again and again."""
    cameras: list[Camera] = []

    def feed(run: Served, *, fps: float = 25.0, frames: int = 100_000) -> Camera:
        way = list(pan(0, 40, 20))
        cameras.append(Camera(run, islice(cycle(way), frames), fps=fps))
        return cameras[-1]

    yield feed
    for one in cameras:
        one.stop()
