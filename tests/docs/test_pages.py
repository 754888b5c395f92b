"""What the pages say is what the program does, and where they lead is something."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import options_page
import pages
import pytest
from options_page import read_groups

from streamvpr import records
from streamvpr.bench import Report
from streamvpr.cli import app
from streamvpr.config import CalibrateOptions, DescribingOptions, RunOptions
from streamvpr.earth import distance
from streamvpr.errors import StreamVPRError
from streamvpr.evaluation import Scores
from streamvpr.export import ExportOptions
from streamvpr.frames import Position, StreamState, Verdict
from streamvpr.networks import NETWORKS
from streamvpr.pipeline import DECISIONS, MOST_EVENTS
from streamvpr.sources.positions.dji import read_srt
from streamvpr.stream import FILE_BUFFER, LIVE_BUFFER

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = pages.read("docs/output.md")


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), link
        if anchor:
            assert anchor in pages.anchors(other.read_text(encoding="utf-8")), link


def test_every_page_is_in_the_index() -> None:
    listed = {link.partition("#")[0] for link in pages.links(pages.read("docs/README.md"))}
    assert {page.name for page in (pages.ROOT / "docs").glob("*.md")} - {"README.md"} <= listed


@pytest.mark.parametrize(
    ("heading", "record"),
    [
        ("loop_closure", records.LoopClosure),
        ("query", records.Query),
        ("stream", records.Stream),
        ("health", records.Health),
        ("health", records.Dropped),
    ],
)
def test_every_field_of_a_record_is_explained(heading: str, record: type[msgspec.Struct]) -> None:
    assert set(record.__struct_fields__) <= pages.named(pages.section(OUTPUT, heading))


def examples() -> list[str]:
    return [line.strip() for line in OUTPUT.splitlines() if line.startswith('    {"type":')]


@pytest.mark.parametrize("line", examples(), ids=lambda line: line[9:35])
def test_what_is_shown_of_records_could_have_been_printed(line: str) -> None:
    record = msgspec.json.decode(line, type=records.Record)
    assert json.loads(msgspec.json.encode(record)) == json.loads(line)


def test_every_kind_of_record_is_shown() -> None:
    shown = {json.loads(line)["type"] for line in examples()}
    kinds: Any = records.Record
    assert shown == {kind.__struct_config__.tag for kind in kinds.__args__}


def test_every_decision_and_state_is_explained() -> None:
    assert {v.value for v in Verdict} <= pages.named("".join(pages.rows(OUTPUT)))
    assert {v.value for v in Verdict} <= pages.named(pages.read("docs/tuning.md"))
    assert {s.value for s in StreamState} <= pages.named(pages.section(OUTPUT, "stream"))


def test_every_exit_code_is_explained() -> None:
    def codes(kind: type[StreamVPRError]) -> set[int]:
        return {kind.exit_code}.union(*map(codes, kind.__subclasses__()))

    told = {int(cell) for cell in pages.rows(pages.section(OUTPUT, "Exit codes")) if cell.isdigit()}
    assert told == codes(StreamVPRError) | {0, 130}


def test_every_score_is_explained_and_shown() -> None:
    page = pages.read("docs/scoring.md")
    assert set(Scores.__slots__) <= pages.named(page)
    (shown,) = re.findall(r'^    (\{"queries".*\})$', page, re.MULTILINE)
    assert list(json.loads(shown)) == list(Scores.__slots__)


def test_every_field_of_a_benchmark_is_explained() -> None:
    assert set(Report.__struct_fields__) <= pages.named(pages.read("docs/benchmarks.md"))


@pytest.mark.parametrize(
    ("options", "base"), [(ExportOptions, None), (CalibrateOptions, DescribingOptions)]
)
def test_every_option_of_models_stands_in_their_page(options: Any, base: Any) -> None:
    cells = "".join(pages.rows(pages.read("docs/models.md")))
    documented = set(re.findall(r"--[a-z0-9-]+", cells))
    inherited = set(base.__dataclass_fields__) if base else set()
    own = set(options.__dataclass_fields__) - inherited
    assert {"--" + name.replace("_", "-") for name in own} <= documented


def test_every_network_is_named() -> None:
    page = pages.read("docs/models.md").lower()
    for network in NETWORKS:
        assert network.name.removesuffix("-gem").split("-")[-1].lower() in page, network.name


def test_every_form_of_subtitles_that_is_shown_is_read() -> None:
    page = pages.read("docs/positions.md")
    shown = page.split("in each cue:")[1].split("Which of")[0].strip().splitlines()
    assert len(shown) == 6
    for said in shown:
        (found,) = read_srt(f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n")
        assert found[:3] == pytest.approx([1, 47.3769, 8.5417], abs=1e-4), said


def test_the_distance_that_is_shown_is_that_of_the_places() -> None:
    page = pages.read("docs/positions.md")
    said = dict(re.findall(r'"(\w+_(?:lat|lon|m))":([\d.]+)', page))
    query, match = (
        Position(float(said[f"{whose}_lat"]), float(said[f"{whose}_lon"]))
        for whose in ("query", "match")
    )
    assert f"{distance(query, match):.2f}" == said["distance_m"]


def test_every_part_of_the_package_has_its_place_in_the_layout() -> None:
    layout = pages.section(pages.read("docs/architecture.md"), "Layout")
    named = set(re.findall(r"`([\w/]+(?:\.py)?)`", layout))
    package = pages.ROOT / "streamvpr"
    modules = {path.name for path in package.glob("*.py")}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert modules | folders == {name for name in named if "/" not in name.rstrip("/")}


def test_the_drawing_has_the_sizes_of_the_queues() -> None:
    drawing = pages.read("docs/architecture.svg")
    batch = RunOptions().batch_size
    sizes = [f"{LIVE_BUFFER} or {FILE_BUFFER}", str(batch), str(2 * batch), str(DECISIONS)]
    assert re.findall(r'<text class="ink" .*?>([\d or]+)</text>', drawing)[1:] == sizes
    page = pages.section(pages.read("docs/architecture.md"), "Threads and queues")
    for said in (
        f"live {LIVE_BUFFER} frames, else {FILE_BUFFER}",
        f"({batch}) keyframes",
        f"{2 * batch} described",
        f"{DECISIONS} decisions, and up to {MOST_EVENTS:,} events",
    ):
        assert said in page


def known_options() -> dict[str, set[str]]:
    """Of each command, and those that stand before any."""
    always = {"--help", "--version"}
    always |= {n for _, group in read_groups(app.meta) for o in group for n in o.names}
    return {
        name: always | {n for _, group in read_groups(command) for o in group for n in o.names}
        for name, command in options_page.commands()
    }


CALLED = re.compile(r"(?:^|[|&] |/|\" )streamvpr ((?:(?:map|vocabulary) )?[a-z]+)([^|;&#]*)")


def test_commands_that_pages_show_have_options_that_exist() -> None:
    known = known_options()
    lines = [
        (page.name, line)
        for page in pages.PAGES
        for line in pages.commands(page.read_text(encoding="utf-8"))
    ]
    called = [(line, *found) for line in lines for found in CALLED.findall(line[1])]
    assert len(called) > 80
    for line, command, rest in called:
        assert command in known, line
        assert set(re.findall(r"(?<= )--[a-z0-9][a-z0-9-]*", rest)) <= known[command], line
