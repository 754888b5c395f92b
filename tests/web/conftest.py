"""A browser that pages are opened in; tests that need one are skipped where there is none."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

NEEDED = "needs playwright, axe-playwright-python and chromium (apt-get install chromium)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; it is the system's own, and nothing is downloaded.

    While it is open an event loop runs on this thread: a test with a browser runs the program in
    a process of its own, and tests of other modules must not find that loop.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(NEEDED)
    try:
        import axe_playwright_python.sync_playwright  # noqa: F401
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(NEEDED)
    with sync_playwright() as playwright:
        # Containers have no user namespaces for the sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
