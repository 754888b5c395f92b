"""The page in a real browser, beside a real run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .served import Served, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    Start = Callable[..., Served]

SIZES = [(390, 844), (1024, 768), (1920, 1080)]
CURRENT = "#rows tr[aria-current=true] button"
TOKEN = "0123456789abcdef-right"


class Visit:
    """A page that is open, and what the browser complained about and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.add(request.url))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def wait_for_text(self, selector: str, text: str) -> None:
        self.page.wait_for_function(
            "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
            arg=[selector, text],
        )

    def chart(self) -> str:
        return str(self.page.evaluate("document.getElementById('chart').toDataURL()"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_at(url: str, *, size: tuple[int, int] = (1024, 768), scheme: str = "light") -> Visit:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.goto(url)
        return visit

    yield open_at
    for context in contexts:
        context.close()


def wait_for_picture(page: Page, image: str) -> None:
    page.wait_for_function(
        "id => { const image = document.getElementById(id);"
        " return !image.hidden && image.complete && image.naturalWidth > 0; }",
        arg=image,
    )


def test_a_run_is_seen_while_it_goes(
    serve: Start, camera: Any, visit: Callable[..., Visit]
) -> None:
    run = serve("-", "--exclude-recent", 5)
    camera(run)
    seen = visit(run.url)
    page = seen.page
    wait_for_picture(page, "frame")
    first, before = page.locator("#frame").get_attribute("src"), seen.chart()
    page.wait_for_function("src => document.getElementById('frame').src !== src", arg=first)
    page.wait_for_function(
        "before => document.getElementById('chart').toDataURL() !== before", arg=before
    )
    wait_for_picture(page, "query")
    wait_for_picture(page, "match")
    page.wait_for_function("() => document.querySelectorAll('#inliers line').length >= 20")
    assert seen.text("#status") == "running"
    seen.wait_for_text("#pair-text", "inliers")
    page.wait_for_function("() => !document.getElementById('matrix').hidden")
    page.wait_for_function("() => document.querySelectorAll('#rows button').length > 3")
    assert seen.complaints == []
    assert all(url.startswith(run.url) for url in seen.asked), seen.asked


def test_loops_are_looked_through(serve: Start, camera: Any, visit: Callable[..., Visit]) -> None:
    run = serve("-", "--exclude-recent", 5, "--keep-serving")
    camera(run, frames=60)
    seen = visit(run.url)
    page = seen.page
    seen.wait_for_text("#status", "the run has ended")
    # The last loop moves all rows down: chosen is among rows that stay where they are.
    newest = "() => document.querySelector('#rows button')?.textContent.startsWith('59 ')"
    page.wait_for_function(newest)
    page.locator("#rows button").nth(4).click()
    chosen = seen.text(CURRENT)
    assert seen.text("#rows tr:nth-child(5) button") == chosen
    assert f"Frame {chosen.split(' (')[0]} " in seen.text("#pair-text")
    assert page.locator("#latest").get_attribute("aria-pressed") == "false"
    page.locator("#older").click()
    assert seen.text(CURRENT) == seen.text("#rows tr:nth-child(6) button")
    page.locator("#newer").click()
    assert seen.text(CURRENT) == chosen
    page.locator("#latest").click()
    assert seen.text(CURRENT) == seen.text("#rows tr:nth-child(1) button")


class TestAFinishedRun:
    """One whose page stays."""

    def test_the_keyboard_is_enough(self, done: Served, visit: Callable[..., Visit]) -> None:
        seen = visit(done.url)
        seen.page.wait_for_function("() => document.querySelectorAll('#rows button').length > 3")
        seen.page.locator("#chart").focus()
        seen.page.keyboard.press("End")
        seen.page.keyboard.press("ArrowLeft")
        seen.wait_for_text("#cursor", "Frame 58")
        assert "loop closed" in seen.text("#cursor")
        seen.page.keyboard.press("Enter")
        seen.wait_for_text("#pair-text", "Frame 58 ")

    def test_why_and_what_to_turn(self, done: Served, visit: Callable[..., Visit]) -> None:
        seen = visit(done.url)
        seen.wait_for_text("#reasons", "loop closed")
        counts = done.get("/api/streams/0").json["decisions"]
        for decision, count in counts.items():
            row = seen.page.locator(f"#reasons [data-decision={decision}]")
            assert row.locator("td").first.inner_text() == str(count)
        assert "--exclude-recent" in seen.text("#reasons [data-decision=empty_database]")
        assert seen.text("#status") == "the run has ended"

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES, ids=["phone", "tablet", "desk"])
    def test_everybody_can_use_it(
        self, done: Served, visit: Callable[..., Visit], size: tuple[int, int], scheme: str
    ) -> None:
        from axe_playwright_python.sync_playwright import Axe

        seen = visit(done.url, size=size, scheme=scheme)
        seen.page.wait_for_function("() => !document.getElementById('matrix').hidden")
        wait_for_picture(seen.page, "match")
        found = Axe().run(seen.page).response["violations"]
        serious = [v["id"] for v in found if v["impact"] in ("serious", "critical")]
        assert serious == []
        # With advice on every decision it is at its widest.
        seen.page.evaluate(
            "for (const row of document.querySelectorAll('#reasons tr'))"
            " row.lastChild.textContent = 'Try --rotation-invariant and --local-features xfeat.'"
        )
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert seen.complaints == []

    def test_the_theme_can_be_chosen_and_is_kept(
        self, done: Served, visit: Callable[..., Visit]
    ) -> None:
        seen = visit(done.url, scheme="light")
        before = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        seen.page.locator("#theme").select_option("dark")
        after = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert before != after
        seen.page.reload()
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_it_goes_on_with_the_next_run(
    serve: Start, camera: Any, visit: Callable[..., Visit]
) -> None:
    port = free_port()
    first = serve("-", "--exclude-recent", 5, where=port)
    feeding = camera(first)
    seen = visit(first.url)
    seen.page.wait_for_function("() => document.querySelectorAll('#rows button').length > 8")
    feeding.stop()
    first.end()
    seen.wait_for_text("#status", "ended")
    second = serve("-", "--exclude-recent", 5, where=port)
    camera(second, fps=5)
    seen.wait_for_text("#status", "running")
    seen.page.wait_for_function("() => document.querySelectorAll('#rows button').length < 5")
    wait_for_picture(seen.page, "frame")
    frame = seen.page.locator("#frame").get_attribute("src")
    seen.page.wait_for_function("src => document.getElementById('frame').src !== src", arg=frame)
    gone = [c for c in seen.complaints if "ERR_CONNECTION_REFUSED" not in c]
    assert gone == []


def test_it_goes_on_after_a_run_that_was_killed(
    serve: Start, camera: Any, visit: Callable[..., Visit]
) -> None:
    port = free_port()
    first = serve("-", where=port)
    camera(first)
    seen = visit(first.url)
    wait_for_picture(seen.page, "frame")
    first.process.kill()
    seen.wait_for_text("#status", "no connection")
    second = serve("-", where=port)
    camera(second)
    seen.wait_for_text("#status", "running")


def test_a_browser_signs_in_with_the_token(
    serve: Start, flight: Any, visit: Callable[..., Visit]
) -> None:
    run = serve(flight.path, "--keep-serving", where="0.0.0.0:0", token=TOKEN)
    address = f"http://127.0.0.1:{run.port}/"
    run.get("/healthz")
    seen = visit(address)
    assert "needs the token" in seen.text("main")
    seen.page.locator("input[name=token]").fill(TOKEN)
    seen.page.locator("button").click()
    wait_for_picture(seen.page, "frame")
    assert seen.page.url == address
