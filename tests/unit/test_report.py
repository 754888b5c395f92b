"""The parts of a report's page: elements, axes, ground, and what is left where a run was killed."""

from __future__ import annotations

import itertools
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamvpr.earth import distance
from streamvpr.frames import Position, Verdict
from streamvpr.records import Query
from streamvpr.report.axes import Range
from streamvpr.report.element import document, element
from streamvpr.report.matrix import matrix
from streamvpr.report.reading import Results, StreamResults
from streamvpr.report.scoring import exclusion
from streamvpr.report.signal import signal
from streamvpr.report.track import Ground
from streamvpr.report.wording import MEANINGS, date, metres, seconds
from streamvpr.sinks.heatmap import draw_heatmap
from streamvpr.sinks.summary_file import MatrixFile

PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


class Read(HTMLParser):
    """The tags of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


class TestElements:
    @given(PLAIN, PLAIN)
    def test_text_and_attributes_come_back_as_they_were(self, text: str, value: str) -> None:
        made = element("p", "a", element("b", text), text, title=value, data_x=1, hidden=None)
        page = Read(document(made).decode())
        assert page.tags == [("p", [("title", value), ("data-x", "1")]), ("b", [])]
        assert page.text.strip("\n") == f"a{text}{text}"

    def test_what_cannot_stand_in_a_page_is_replaced(self) -> None:
        page = document(element("p", "a\0b\udc80", class_="c"))
        assert page == b'<!DOCTYPE html>\n<p class="c">a\xef\xbf\xbdb?</p>'

    def test_children_may_be_lists_in_lists_and_nothing(self) -> None:
        made = element("p", ["a", None, [element("i"), "b"]], None, "c")
        assert ElementTree.tostring(made, encoding="unicode") == "<p>a<i />bc</p>"


class TestRanges:
    @given(
        st.floats(-1e6, 1e6),
        st.floats(1e-3, 1e6),
        st.integers(2, 10),
    )
    def test_ticks_are_few_round_and_within(self, low: float, span: float, most: int) -> None:
        values = Range(low, low + span)
        ticks = values.ticks(most)
        assert len(ticks) <= most + 1
        assert all(-1e-6 <= values.share(tick) <= 1 + 1e-6 for tick in ticks)
        steps = {round(b - a, 9) for a, b in itertools.pairwise(ticks)}
        assert all(f"{step:.1e}"[0] in "1259" for step in steps)

    @pytest.mark.parametrize(
        ("low", "high", "ticks"),
        [
            (0, 83, [0, 20, 40, 60, 80]),
            (0.8, 1, [0.8, 0.85, 0.9, 0.95, 1.0]),
            (0, 99_999, [0, 20_000, 40_000, 60_000, 80_000]),
            (3, 3, [2.6, 2.8, 3.0, 3.2, 3.4]),
        ],
    )
    def test_ticks_that_people_would_choose(
        self, low: float, high: float, ticks: list[float]
    ) -> None:
        assert Range.over(low, high).ticks(6) == pytest.approx(ticks)


class TestWording:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (None, "-"),
            (0, "0.0 s"),
            (599.94, "599.9 s"),
            (725, "12:05 min"),
            (50_000, "13:53:20 h"),
        ],
    )
    def test_times(self, value: float | None, said: str) -> None:
        assert seconds(value) == said

    @pytest.mark.parametrize(
        ("value", "said"), [(0.52, "0.5 m"), (20, "20 m"), (999, "999 m"), (12_340, "12.3 km")]
    )
    def test_distances(self, value: float, said: str) -> None:
        assert metres(value) == said

    def test_dates(self) -> None:
        assert date("2026-11-29T23:47:36.061Z") == "2026-11-29 23:47:36 UTC"
        assert date("yesterday") == "yesterday"

    def test_every_decision_has_a_meaning(self) -> None:
        assert set(MEANINGS) == set(Verdict)


class TestTheGround:
    @pytest.mark.parametrize("here", [(47.4, 8.5), (-33.9, 179.9999), (0.0, -180.0), (69.6, 18.9)])
    @pytest.mark.parametrize("step", [(0.01, 0.0), (0.0, 0.01), (-0.01, 0.02)])
    def test_distances_on_it_are_those_on_the_earth(
        self, here: tuple[float, float], step: tuple[float, float]
    ) -> None:
        east = (here[1] + step[1] + 180) % 360 - 180
        there = Position(here[0] + step[0], east)
        found = math.hypot(*Ground(*here).metres(there.latitude, there.longitude))
        assert found == pytest.approx(distance(Position(*here), there), rel=2e-3)


def query(index: int, match: int | None = None, **fields: object) -> Query:
    known: dict[str, object] = {"stream": "cam", "decision": "accepted", "score": 0.9}
    return Query(query_idx=index, match_idx=match, **{**known, **fields})  # type: ignore[arg-type]


class TestTheMatrix:
    @pytest.fixture
    def found(self, tmp_path: Path) -> MatrixFile:
        """Ten queries, every fifth, against five places each of two sessions."""
        import numpy as np

        values = np.random.default_rng(0).random((10, 10), np.float32)
        (tmp_path / "m.png").write_bytes(draw_heatmap(values))
        return MatrixFile(
            stream="cam",
            file="m.png",
            darkest=0.1,
            brightest=0.9,
            queries=list(range(0, 50, 5)),
            places=[
                *(("monday", "cam", index) for index in range(0, 10, 2)),
                *(("tuesday", "cam", index) for index in range(0, 10, 2)),
            ],
        )

    def marks(self, folder: Path, found: MatrixFile, queries: list[Query]) -> list[str]:
        drawn = matrix(folder, found, queries)
        assert drawn is not None
        (path,) = drawn.findall(".//path[@class='v-accepted']")
        return re.findall(r"M(\S+ \S+?)h0", path.get("d") or "")

    def test_closures_stand_in_their_session_and_between_what_was_kept(
        self, tmp_path: Path, found: MatrixFile
    ) -> None:
        known = {"match_stream": "cam"}
        queries = [
            query(5, 4, match_session="monday", **known),
            query(5, 4, match_session="tuesday", **known),
            query(7, 5, match_session="tuesday", **known),
            query(5, 4, match_session="friday", **known),
            query(5, 99, match_session="monday", **known),
            query(5, 4, match_session="monday", decision="too_few_inliers", **known),
            query(5, None),
        ]
        # The middle of a cell of 100; 7 is two fifths of the way from the row of 5 to that of 10.
        assert self.marks(tmp_path, found, queries) == ["250 150", "750 150", "800 190"]

    def test_one_whose_picture_is_gone_is_not_drawn(
        self, tmp_path: Path, found: MatrixFile
    ) -> None:
        (tmp_path / "m.png").unlink()
        assert matrix(tmp_path, found, []) is None


class TestTheSignal:
    def line(self, queries: list[Query]) -> str:
        (path,) = signal(queries, 0.8, stream=0).findall(".//path[@class='score']")
        return path.get("d") or ""

    def test_frames_without_a_candidate_leave_a_gap(self) -> None:
        scored = [query(0), query(1), query(2, score=None), query(3), query(4)]
        assert re.sub("[^ML]", "", self.line(scored)) == "MLML"

    def test_frames_that_are_not_known_leave_a_gap(self) -> None:
        assert re.sub("[^ML]", "", self.line([query(0), query(1), query(9), query(10)])) == "MLML"

    def test_a_single_frame_is_drawn(self) -> None:
        drawn = signal([query(7, 3)], None, stream=0)
        assert drawn.findall(".//path[@class='dots few v-accepted']")
        assert not drawn.findall(".//path[@class='threshold']")

    def test_decisions_of_other_programs_are_counted_too(self) -> None:
        drawn = signal([query(0, decision="maybe"), query(1, decision="")], 0.8, stream=0)
        names = [name.text for name in drawn.findall(".//li//b")]
        assert names == ["unknown", "maybe"]

    def test_the_reader_is_told_numbers_only(self) -> None:
        drawn = signal([query(3, 1, confidence=0.5, inliers=30)], 0.8, stream=0)
        reader = drawn.find(".//div[@data-steps]")
        assert reader is not None
        assert reader.get("data-steps") == "3,,0.9,0,1,0.5,30,"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"exclude-recent": 20, "min-loop-gap": 0}, 20),
        ({"exclude-recent": 20, "min-loop-gap": 50}, 49),
        ({"min-loop-gap": 0}, 30),
        ({"exclude-seconds": 10.0, "min-loop-gap": 0}, 0),
        ({"exclude-recent": 9}, None),
    ],
)
def test_the_exclusion_of_a_run_is_known_from_its_settings(
    settings: dict[str, float], expected: int | None
) -> None:
    results = Results(
        folder=Path(),
        streams=[StreamResults("cam", [], [])],
        settings=dict(settings),
        version=None,
        sources=[],
        summary=None,
        has_queries=True,
    )
    assert exclusion(results) == expected
