"""The report in a browser: from disk, with no request, for everybody, at any width."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    Open = Callable[..., Page]

WIDTHS = (390, 1024, 1920)
SCHEMES = ("light", "dark")


def streamvpr(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "streamvpr", *arguments], check=True, timeout=50)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, flight: Any, tiny_model: Path) -> Path:
    """The report of a run over two streams, one of which knows where it was."""
    folder = tmp_path_factory.mktemp("reported")
    options = ["--model", str(tiny_model), "--fps", "0", "--top-k", "2", "--threads", "1"]
    sources = [str(flight.path), f"<b>again={flight.path}"]
    streamvpr("run", *sources, *options, "--output-dir", str(folder))
    queries = folder / "queries.jsonl"
    records = [json.loads(line) for line in queries.read_text().splitlines()]
    for record in records:
        at = record["query_idx"] % 48
        record["query_lat"], record["query_lon"] = 47 + at * 1e-5, 8.5 + at * at * 1e-6
    queries.write_text("".join(json.dumps(record) + "\n" for record in records))
    truth = folder / "positives.csv"
    pairs = [f"{query},{query - 48}\n" for query in range(48, 60)]
    truth.write_text("query_idx,match_idx\n" + "".join(pairs))
    streamvpr("report", str(folder), "--ground-truth", str(truth))
    return folder / "report.html"


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Open]:
    """Open the report; what it asks for and complains of fails the test."""
    asked: list[str] = []
    said: list[str] = []
    contexts = []

    def go(width: int = 1024, scheme: str = "light", **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(report.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    others = [url for url in asked if not url.startswith("data:")]
    assert set(others) == {report.as_uri()}
    assert said == []


def unfold(page: Page) -> None:
    """Show what is behind its summary."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_use_it_at_any_width(visit: Open, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = visit(width, scheme)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not grave, json.dumps([(one["id"], one["nodes"][:2]) for one in grave], indent=1)


def test_it_has_the_colours_that_are_asked_for(visit: Open) -> None:
    grounds = [
        visit(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    ]
    light, dark = ([int(part) for part in one[4:-1].split(",")] for one in grounds)
    assert min(light) > 200
    assert max(dark) < 60


def test_a_frame_is_read_where_the_pointer_is(visit: Open) -> None:
    page = visit()
    signal = page.locator(".signal").first
    plot = signal.locator(".plot")
    box = plot.bounding_box()
    assert box is not None
    plot.hover(position={"x": box["width"] * 50 / 59, "y": 20})
    told = signal.locator(".reader p")
    assert told.inner_text().startswith("Frame 50, 5.0 s, accepted, best candidate 2, score 0.")
    told.locator("a").click()
    assert page.url.endswith("#closure-0-50")
    assert page.locator("#closure-0-50").is_visible()


def test_frames_are_read_by_keyboard(visit: Open) -> None:
    page = visit()
    slider = page.locator(".signal input").first
    slider.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = slider.get_attribute("aria-valuetext")
    assert said is not None
    assert said.startswith("Frame 58, 5.8 s, accepted")


def test_pictures_are_looked_at_one_after_the_other(visit: Open) -> None:
    page = visit()
    unfold(page)
    pictures = page.locator(".enlarge")
    assert pictures.count() == 24
    pictures.nth(1).focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    alts = page.evaluate("[...document.querySelectorAll('.enlarge img')].map((one) => one.alt)")
    assert dialog.locator("img").get_attribute("alt") == alts[1]
    page.keyboard.press("ArrowRight")
    assert dialog.locator("img").get_attribute("alt") == alts[2]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_names_are_shown_and_not_obeyed(visit: Open) -> None:
    page = visit()
    assert page.locator("h3", has_text="<b>again").count() == 4
    assert page.locator("h3 b").count() == 0


def test_without_a_script_nothing_is_missing_but_the_reader(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator(".closure img").count() == 24
    assert page.locator(".reader").first.is_hidden()
    assert page.locator(".chart svg").first.is_visible()
    folded = page.locator("details", has=page.locator("summary", has_text="as they come"))
    assert folded.locator("table").is_hidden()
    folded.locator("summary").click()
    assert folded.locator("table").is_visible()


def test_all_pictures_are_decoded_when_they_are_looked_at(visit: Open) -> None:
    page = visit()
    unfold(page)
    for picture in page.locator("img").all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 0


def test_on_paper_it_is_dark_on_light(visit: Open) -> None:
    page = visit(scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert len(page.pdf()) > 10_000
