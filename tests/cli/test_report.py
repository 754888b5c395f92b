"""`streamvpr report`: a page of an output folder, whatever is left of the run."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from streamvpr.cli import run_command
from streamvpr.report.gallery import MOST_PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Any]

ADDRESSES = {"src", "href", "srcset", "poster", "action", "formaction", "data", "xlink:href"}
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """What a page has: its tags with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.inside: list[str] = []
        self.raw: dict[str, str] = {"script": "", "style": ""}
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in self.raw:
            self.raw[self.inside[-1]] += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        return [
            found
            for name, found in self.tags
            if name == tag and attributes.items() <= found.items()
        ]

    @property
    def ids(self) -> set[str]:
        return {found["id"] for _, found in self.tags if "id" in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, flight: Any, tiny_model: Path) -> Path:
    """What a run over the flight leaves."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    options = ["--model", str(tiny_model), "--fps", "0", "--top-k", "2", "--threads", "1"]
    assert run_command(["run", str(flight.path), *options, "--output-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def report(cli: Make) -> Make:
    """Make a report, and read it."""

    def make(folder: Path, *arguments: object) -> Page:
        done = cli("report", folder, *arguments)
        assert done.code == 0, done.err
        return Page(Path(done.out.decode().removesuffix("\n")))

    return make


@pytest.fixture
def positives(tmp_path: Path) -> Path:
    """The truth of the flight, and pairs of neighbours that the exclusion leaves out."""
    path = tmp_path / "positives.csv"
    pairs = [(query, query - 48) for query in range(48, 60)] + [(30, 29), (31, 30)]
    path.write_text("query_idx,match_idx\n" + "".join(f"{q},{m}\n" for q, m in pairs))
    return path


def queries_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]


def write_queries(folder: Path, queries: list[dict[str, Any]]) -> None:
    lines = [json.dumps(query) + "\n" for query in queries]
    (folder / "queries.jsonl").write_text("".join(lines), encoding="utf-8")


def assert_asks_nothing_of_a_network(page: Page) -> None:
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            if name in ADDRESSES and (tag, name) != ("path", "d"):
                assert value.startswith(("#", "data:")), (tag, name, value[:80])
            assert "://" not in value or name in ("alt", "aria-label"), (tag, name)
    for text in page.raw.values():
        assert not re.search(r"url\(|@import|://|\bfetch\b|XMLHttp|import\(|src\s*=", text)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


class TestThePage:
    def test_it_holds_all_that_it_shows(self, report: Make, folder: Path) -> None:
        page = report(folder)
        assert_asks_nothing_of_a_network(page)
        assert len(page.all("script")) == 1

    def test_it_goes_into_the_folder_or_where_it_is_told(
        self, cli: Make, folder: Path, tmp_path: Path
    ) -> None:
        done = cli("report", folder)
        assert (done.code, done.out.decode()) == (0, f"{folder / 'report.html'}\n")
        content = (folder / "report.html").read_bytes()
        assert cli("report", folder, "--output", tmp_path / "a b.html").code == 0
        assert (tmp_path / "a b.html").read_bytes() == content

    def test_every_closure_is_there_with_its_evidence(self, report: Make, folder: Path) -> None:
        page = report(folder)
        closures = json.loads((folder / "loop_closures.json").read_text())
        assert len(closures) == 12
        needed = {query["query_idx"]: query["inliers_needed"] for query in queries_of(folder)}
        for closure in closures:
            index = closure["query_idx"]
            assert f"closure-0-{index}" in page.ids
            assert f"query {index} ({closure['query_time']:.1f} s) is place" in page.text
            assert f"inliers {closure['inliers']} of {needed[index]} needed" in page.text
        pictures = page.all("img", loading="lazy")
        assert len(pictures) == 12
        assert all(one["alt"].startswith("Query ") for one in pictures)
        assert all(int(one["width"]) > int(one["height"]) > 0 for one in pictures)

    def test_every_decision_is_counted(self, report: Make, folder: Path) -> None:
        page = report(folder)
        decisions = [query["decision"] for query in queries_of(folder)]
        assert len(set(decisions)) > 1
        for decision in set(decisions):
            share = 100 * decisions.count(decision) / len(decisions)
            told = f"{decision.replace('_', ' ')} {decisions.count(decision)} {share:.1f} %"
            assert told in page.text

    def test_it_says_what_ran_and_how_long_it_took(self, report: Make, folder: Path) -> None:
        page = report(folder)
        summary = json.loads((folder / "summary.json").read_text())
        for said in (
            *("frames 60", "loop closures 12", "stream flight", "tiny.onnx on cpu"),
            summary["started"][:19].replace("T", " "),
            f"source {summary['sources'][0]}",
            *(f"{stage} {busy:.2f} s" for stage, busy in summary["figures"]["busy"].items()),
            *("top-k 2", "fps 0.0", "sim-threshold"),
        ):
            assert said in page.text, said
        assert "missing" not in page.ids

    def test_the_matrix_has_the_closures_mirrored_into_its_empty_half(
        self, report: Make, folder: Path
    ) -> None:
        page = report(folder)
        (path,) = page.all("path", **{"class": "halo"})
        marks = re.findall(r"M(\S+) (\S+?)h0", path["d"])
        assert len(marks) == 12
        for x, y in (map(float, mark) for mark in marks):
            assert x > y, "above the diagonal"
            assert x - y == pytest.approx(1000 * 48 / 60, abs=40)

    def test_those_who_do_not_see_it_can_read_it(self, report: Make, folder: Path) -> None:
        page = report(folder)
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        assert [len(page.all(tag)) for tag in ("header", "nav", "main")] == [1, 1, 1]
        assert page.all("html", lang="en")
        for figure in page.all("svg"):
            assert figure.get("aria-hidden") == "true" or figure["aria-label"]
        assert all(image["alt"] for image in page.all("img"))
        assert all(heading.get("scope") for heading in page.all("th"))
        for link in page.all("a"):
            assert link["href"].removeprefix("#") in page.ids
        named = {label["for"] for label in page.all("label")}
        assert {field["id"] for field in page.all("input")} == named


class TestWhatIsRight:
    def test_the_figures_are_those_of_eval(
        self, cli: Make, report: Make, folder: Path, positives: Path
    ) -> None:
        options = ("--ground-truth", positives, "--exclude", 10)
        (scores,) = cli("eval", folder / "queries.jsonl", *options).lines
        page = report(folder, *options)
        for name, key in {
            "average precision": "average_precision",
            "recall@1": "recall_at_1",
            "recall at 100 % precision": "max_recall_at_100_precision",
            "precision of the accepted": "precision",
        }.items():
            assert f"{name} {scores[key]:.3f}" in page.text
        assert f"with a right match {scores['queries_with_positives']}" in page.text

    def test_the_exclusion_is_that_of_the_run_unless_another_is_named(
        self, report: Make, folder: Path, positives: Path
    ) -> None:
        own = report(folder, "--ground-truth", positives)
        assert "with a right match 12" in own.text
        assert "more than 30 frames after" in own.text
        lax = report(folder, "--ground-truth", positives, "--exclude", 0)
        assert "with a right match 14" in lax.text

    def test_without_ground_truth_there_is_no_curve(self, report: Make, folder: Path) -> None:
        assert "truth" not in report(folder).ids

    def test_streams_have_one_truth_or_one_each(
        self, cli: Make, report: Make, folder: Path, positives: Path
    ) -> None:
        queries = queries_of(folder)
        again = [{**query, "stream": "again"} for query in queries]
        write_queries(folder, [*queries, *again])
        for truths in (1, 2):
            page = report(folder, *["--ground-truth", positives] * truths)
            assert page.text.count("average precision 1.000") == 2
        done = cli("report", folder, *["--ground-truth", positives] * 3)
        assert done.code == 2
        assert "3 times --ground-truth for 2 runs" in done.error


class TestWhatIsLeft:
    def test_of_an_older_program(
        self, cli: Make, report: Make, folder: Path, positives: Path
    ) -> None:
        for name in ("queries.jsonl", "summary.json", "similarity_matrix.png"):
            (folder / name).unlink()
        page = report(folder)
        assert "queries.jsonl, which older versions did not write" in page.text
        assert "summary.json, which older versions did not write" in page.text
        assert "source " in page.text
        assert len(page.all("img", loading="lazy")) == 12
        assert {"signal", "loops", "settings"} <= page.ids
        assert not {"matrix", "time"} & page.ids
        done = cli("report", folder, "--ground-truth", positives)
        assert done.code == 5
        assert "queries.jsonl" in done.error

    def test_of_a_run_whose_summary_is_lost(
        self, report: Make, folder: Path, positives: Path
    ) -> None:
        (folder / "summary.json").unlink()
        assert "more than 30 frames after" in report(folder, "--ground-truth", positives).text

    def test_of_a_run_that_was_killed(self, report: Make, folder: Path) -> None:
        summary = json.loads((folder / "summary.json").read_text())
        begun = {**summary, "ended": None, "figures": None, "matrices": []}
        (folder / "summary.json").write_text(json.dumps(begun))
        data = (folder / "queries.jsonl").read_bytes()
        (folder / "queries.jsonl").write_bytes(data[:-20])
        shutil.rmtree(folder / "matches")
        page = report(folder)
        assert "it goes on, or was killed" in page.text
        assert "its last line was cut off" in page.text
        assert "frames 59" in page.text
        assert "12 closures in 1 sustained revisit; 0 of them with their picture" in page.text

    def test_of_a_run_that_found_nothing(self, run: Make, report: Make, make_flight: Make) -> None:
        path = make_flight(3, frames=10)
        folder = path.path.with_suffix("")
        assert run(path.path, "--output-dir", folder).code == 0
        page = report(folder)
        assert "No loop was closed" in page.text
        assert "No frame had a candidate" in page.text
        assert "loop closures 0" in page.text

    def test_of_one_that_decided_on_no_frame(self, report: Make, tmp_path: Path) -> None:
        (tmp_path / "loop_closures.json").write_text("[\n]\n")
        (tmp_path / "queries.jsonl").touch()
        page = report(tmp_path)
        assert "No frame was decided on" in page.text

    def test_of_a_match(
        self, cli: Make, report: Make, make_flight: Make, tiny_model: Path, tmp_path: Path
    ) -> None:
        database, query = make_flight(0, frames=48), make_flight(0)
        options = ("--model", tiny_model, "--fps", 0, "--top-k", 2, "--output-dir", tmp_path)
        assert cli("match", database.path, query.path, *options).code == 0
        page = report(tmp_path)
        assert f"{query.path} against {database.path}" in page.text
        assert "Each query against the places of the database" in page.text
        (marks,) = page.all("path", **{"class": "halo"})
        assert marks["d"].count("h0") == 60
        assert f"in {database.path.stem}" in page.text

    def test_of_several_streams_each_has_its_signal_and_matrix(
        self, run: Make, report: Make, make_flight: Make, tmp_path: Path
    ) -> None:
        one, other = make_flight(0).path, make_flight(2, frames=20).path
        assert run(f"a={one}", f"b={other}", "--output-dir", tmp_path).code == 0
        page = report(tmp_path)
        assert len(page.all("div", **{"class": "signal"})) == 2
        assert len(page.all("path", **{"class": "halo"})) == 2
        assert "Revisit 0 of a" not in page.text, "only one stream closed loops"

    def test_what_was_not_reported_is_said(
        self, run: Make, report: Make, flight: Any, tmp_path: Path
    ) -> None:
        assert run(flight.path, "--output-dir", tmp_path, "--emit", "best").code == 0
        page = report(tmp_path)
        assert "frames that closed a loop 12 loop closures 1 revisits 1" in page.text


class TestPositions:
    def test_a_map_shows_the_way_and_its_scale(self, report: Make, folder: Path) -> None:
        queries = queries_of(folder)
        for query in queries:
            at = query["query_idx"] % 48
            query["query_lat"], query["query_lon"] = 47.0 + at * 1e-4, 179.9999 + at * 1e-5
            if query["match_idx"] is not None:
                match = query["match_idx"]
                query["match_lat"], query["match_lon"] = 47.0 + match * 1e-4, 179.9999
        write_queries(folder, queries)
        page = report(folder)
        assert {"map"} <= page.ids
        (bar,) = page.all("span", **{"class": "scale-bar"})
        assert re.search(r"width:\d+\.\d+%", bar["style"])
        # 47 steps of 1e-4 degrees are 523 m, with a margin of 6 % at each side.
        assert "50 m" in page.text
        (way,) = page.all("path", **{"class": "way"})
        assert way["d"].count("L") == 59

    def test_without_positions_there_is_none(self, report: Make, folder: Path) -> None:
        assert "map" not in report(folder).ids


HOSTILE = '<script>alert("1")&\'}<\\ \x00'


class TestNamesAreNoMarkup:
    def test_of_streams_sessions_decisions_and_settings(
        self, report: Make, folder: Path, tmp_path: Path
    ) -> None:
        queries = [
            {**query, "stream": HOSTILE, "match_stream": HOSTILE, "match_session": "</style><b>"}
            for query in queries_of(folder)
        ]
        queries[3]["decision"] = "</p><img src=x onerror=alert(1)>"
        write_queries(folder, queries)
        closures = json.loads((folder / "loop_closures.json").read_text())
        for closure in closures:
            closure |= {"stream": HOSTILE, "match_session": "</script><i>"}
        (folder / "loop_closures.json").write_text(json.dumps(closures))
        summary = json.loads((folder / "summary.json").read_text())
        summary["sources"] = ["rtsp://a/<svg onload=alert(1)>"]
        summary["matrices"][0]["stream"] = HOSTILE
        summary["figures"]["busy"]["<u>"] = 1.0
        (folder / "summary.json").write_text(json.dumps(summary))
        (folder / "run.toml").write_text('model = "<h6>"\ndevice = "\\"><h6>"\n"<s>" = 1\n')
        hostile = folder.rename(tmp_path / "<title>&amp;")
        page = report(hostile)
        assert_asks_nothing_of_a_network(page)
        tags = [tag for tag, _ in page.tags]
        assert tags.count("script") == tags.count("style") == tags.count("title") == 1
        assert not {"h6", "i", "u", "s", "onerror"} & {
            *(tag for tag in tags if tag != "i"),
            *(name for _, attributes in page.tags for name in attributes),
        }
        assert not [found for tag, found in page.tags if tag == "i" and not found]
        assert HOSTILE.replace("\0", "\ufffd") in " ".join(page.words)
        assert "rtsp://a/<svg onload=alert(1)>" in page.text
        assert len(page.all("img")) == 1, "the matrix; pictures go by their stream's name"


class TestSizes:
    def test_a_long_run_is_decimated_and_what_it_reached_is_seen(
        self, report: Make, tmp_path: Path
    ) -> None:
        chance = np.random.default_rng(0)
        scores = 0.72 + 0.1 * chance.random(100_000)
        scores[[12_345, 77_777]] = 0.999, 0.701
        write_queries(
            tmp_path,
            [
                {"query_idx": index, "stream": "long", "decision": "below_threshold"}
                | {"score": round(float(score), 6), "match_idx": 0, "type": "query"}
                for index, score in enumerate(scores)
            ],
        )
        page = report(tmp_path)
        assert len(page.source) < 1_000_000
        (line,) = page.all("path", **{"class": "score"})
        points = [tuple(map(float, one.split())) for one in re.split("[ML]", line["d"])[1:]]
        assert len(points) <= 2 * 1200
        top = min(points, key=lambda at: at[1])
        bottom = max(points, key=lambda at: at[1])
        assert top[0] == pytest.approx(1000 * 12_345 / 99_999, abs=0.1)
        assert bottom[0] == pytest.approx(1000 * 77_777 / 99_999, abs=0.1)

    def test_of_many_closures_the_surest_of_each_revisit_come_first(
        self, report: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "matches").mkdir()
        jpeg = bytes(cv2.imencode(".jpg", np.zeros((20, 60, 3), np.uint8))[1])
        closures = []
        for number in range(MOST_PICTURES + 60):
            name = f"{number + 1:06d}_cam_q{number}_m0.jpg"
            (tmp_path / "matches" / name).write_bytes(jpeg)
            closures.append(
                {"type": "loop_closure", "stream": "cam", "loop_id": number // 2}
                | {"query_idx": number, "match_idx": 0, "score": 0.9, "inliers": 30}
                | {"confidence": 0.5 + (number % 2) / 10}
            )
        (tmp_path / "loop_closures.json").write_text(json.dumps(closures))
        page = report(tmp_path)
        assert len(page.all("img", loading="lazy")) == MOST_PICTURES
        shown = {one["alt"].split()[1] for one in page.all("img", loading="lazy")}
        assert {str(number) for number in range(1, MOST_PICTURES + 60, 2)} <= shown
        assert f"{MOST_PICTURES} of them with their picture" in page.text

    def test_a_picture_that_is_damaged_is_left_out(self, report: Make, folder: Path) -> None:
        first, second, *_ = sorted((folder / "matches").iterdir())
        first.write_bytes(b"no picture")
        second.write_bytes(b"")
        page = report(folder)
        assert len(page.all("img", loading="lazy")) == 10

    def test_pictures_are_made_smaller(self, report: Make, folder: Path) -> None:
        large = np.random.default_rng(0).integers(0, 256, (900, 4000, 3), np.uint8)
        picture = min((folder / "matches").iterdir())
        cv2.imwrite(str(picture), large)
        assert picture.stat().st_size > 1_000_000
        assert len(report(folder).source) < 2_000_000


class TestErrors:
    def test_a_folder_that_is_not_there(self, cli: Make, tmp_path: Path) -> None:
        done = cli("report", tmp_path / "gone")
        assert (done.code, done.out) == (5, b"")
        assert f"cannot read {tmp_path / 'gone'}: no such folder" in done.error

    def test_a_folder_of_something_else(self, cli: Make, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").touch()
        done = cli("report", tmp_path)
        assert done.code == 5
        assert "is no output folder" in done.error
        assert list(tmp_path.iterdir()) == [tmp_path / "holiday.jpg"]

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("loop_closures.json", b'[{"stream": 1}]', "loop_closures.json is damaged"),
            ("loop_closures.json", b"[{", "loop_closures.json is damaged"),
            ("queries.jsonl", b'{"type":"query","query_idx":0}\n{]\n', "queries.jsonl, line 2"),
            ("queries.jsonl", b'{"type":"query"}\n', "queries.jsonl, line 1"),
            ("queries.jsonl", b'{"type":"query","query_idx":0,"stream":"\xff"}\n', "line 1"),
            ("summary.json", b"{}", "summary.json is damaged"),
            ("run.toml", b"a = = 1", "run.toml is no TOML"),
            ("run.toml", b"\xff", "run.toml is no text"),
        ],
    )
    def test_what_is_damaged_is_named(
        self, cli: Make, folder: Path, name: str, content: bytes, said: str
    ) -> None:
        (folder / name).write_bytes(content)
        done = cli("report", folder)
        assert (done.code, done.out) == (5, b"")
        assert said in done.error

    def test_a_page_that_cannot_be_written(self, cli: Make, folder: Path) -> None:
        done = cli("report", folder, "--output", folder / "none" / "a.html")
        assert done.code == 5
        assert "cannot write the report" in done.error

    def test_an_exclusion_without_right_pairs(self, cli: Make, folder: Path) -> None:
        done = cli("report", folder, "--exclude", 20)
        assert done.code == 2
        assert "--ground-truth" in done.error

    def test_ground_truth_that_is_not_there(self, cli: Make, folder: Path) -> None:
        done = cli("report", folder, "--ground-truth", folder / "none.csv")
        assert done.code == 5
        assert "none.csv" in done.error
