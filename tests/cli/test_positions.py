"""Positions on the command line: in records, and in place of a ground truth."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from PIL import ExifTags, Image

from streamvpr.earth import distance
from streamvpr.frames import Position

from ..gopro import gps5, make_gopro

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

LAP, FRAMES = 48, 60
PLACES = {"query_lat", "query_lon", "match_lat", "match_lon", "distance_m"}
QUERIES = ("--records", "queries")


def place(frame: int) -> tuple[float, float]:
    """On a circle with a radius of 200 m, a lap of which is flown; half a metre beside, again."""
    turn = 2 * math.pi * frame / LAP
    beside = 5e-6 * (frame // LAP)
    return 47 + 0.0018 * math.cos(turn) + beside, 8 + 0.0026 * math.sin(turn)


def noted(frame: int) -> bytes:
    latitude, longitude = place(frame)
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (latitude, 0.0, 0.0),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (longitude, 0.0, 0.0),
        }
    )
    return exif.tobytes()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, pan: Make) -> dict[str, Path]:
    """The images of a flight that comes back: with positions, without, and with the second half."""
    base = tmp_path_factory.mktemp("folders")
    made = {name: base / name for name in ("placed", "plain", "half")}
    for folder in made.values():
        folder.mkdir()
    for index, picture in enumerate(pan(0, FRAMES, LAP)):
        image = Image.fromarray(picture)
        for name, folder in made.items():
            known = name == "placed" or (name == "half" and index >= FRAMES // 2)
            notes = {"exif": noted(index)} if known else {}
            image.save(folder / f"{index}.jpg", quality=95, **notes)
    return made


@pytest.fixture
def records(folders: dict[str, Path], run: Make, tmp_path: Path) -> Make:
    """A file with the query records of one of the folders."""

    def write(name: str, *options: object) -> Path:
        path = tmp_path / f"{name}.jsonl"
        result = run(folders[name], *QUERIES, *options)
        assert result.code == 0
        path.write_bytes(result.out)
        return path

    return write


class TestRecords:
    def test_every_frame_of_a_folder_says_where_it_was(
        self, run: Make, folders: dict[str, Path]
    ) -> None:
        lines = run(folders["placed"], *QUERIES).lines
        assert len(lines) == FRAMES
        for line in lines:
            here = place(line["query_idx"])
            assert (line["query_lat"], line["query_lon"]) == pytest.approx(here, abs=1e-6)
        named = [line for line in lines if line["match_idx"] is not None]
        assert named
        for line in named:
            there = place(line["match_idx"])
            assert (line["match_lat"], line["match_lon"]) == pytest.approx(there, abs=1e-6)
            apart = distance(Position(*place(line["query_idx"])), Position(*there))
            assert line["distance_m"] == pytest.approx(apart, abs=0.2)
        for line in lines:
            assert ("match_lat" in line) is ("distance_m" in line) is (line in named)

    def test_closures_are_where_the_flight_was_before(
        self, run: Make, folders: dict[str, Path]
    ) -> None:
        lines = run(folders["placed"]).lines
        assert len(lines) >= 8
        assert all(line["distance_m"] < 30 for line in lines)
        assert any(line["distance_m"] < 1 for line in lines)

    @pytest.mark.parametrize("options", [(), QUERIES, ("--records", "all")])
    def test_else_all_is_as_it_was(
        self, run: Make, folders: dict[str, Path], options: tuple[str, ...]
    ) -> None:
        placed, plain = (run(folders[name], *options) for name in ("placed", "plain"))
        assert not any(f'"{key}"'.encode() in plain.out for key in PLACES)
        kept = [
            json.dumps({k: v for k, v in line.items() if k not in PLACES}, separators=(",", ":"))
            for line in placed.lines
        ]
        again = "\n".join(kept).replace("placed", "plain")
        assert [json.loads(line) for line in again.split("\n")] == plain.lines

    def test_a_match_has_the_places_of_both(
        self, cli: Make, folders: dict[str, Path], tiny_model: Path, tmp_path: Path
    ) -> None:
        options = ("--model", tiny_model, "--output-dir", tmp_path, *QUERIES)
        result = cli("match", folders["placed"], folders["half"], *options)
        assert result.code == 0
        for line in result.lines:
            assert "match_lat" in line
            assert ("query_lat" in line) is (line["query_idx"] >= FRAMES // 2)

    def test_a_gopro_says_so_too(self, run: Make, tmp_path: Path, pan: Make) -> None:
        data = [gps5([(47 + (s + n / 18) / 1000, 8.5, 400) for n in range(18)]) for s in range(7)]
        path = make_gopro(tmp_path / "GX010001.MP4", pan(0, FRAMES, LAP), data)
        lines = run(path, *QUERIES).lines
        wanted = [47 + n / 10_000 for n in range(FRAMES)]
        assert [line["query_lat"] for line in lines] == pytest.approx(wanted, abs=1e-6)
        assert {line["query_lon"] for line in lines} == {8.5}


class TestGate:
    """Only where it is asked for do positions decide."""

    @pytest.mark.parametrize("metres", [60, 1000])
    def test_what_is_near_may_match(
        self, run: Make, folders: dict[str, Path], metres: float
    ) -> None:
        plain, gated = (run(folders["placed"], *o).lines for o in ((), ("--gps-gate", metres)))
        assert [line["query_idx"] for line in gated] == [line["query_idx"] for line in plain]
        assert all(line["distance_m"] <= metres for line in gated)

    def test_what_is_far_does_not_hide_what_is_near(
        self, run: Make, folders: dict[str, Path]
    ) -> None:
        """Half a metre lies between the two laps, and 26 m between two places of one."""
        assert run(folders["placed"], "--gps-gate", 0.1).lines == []
        lines = run(folders["placed"], "--gps-gate", 5).lines
        assert len(lines) >= 8
        assert {line["query_idx"] - line["match_idx"] for line in lines} == {LAP}

    def test_a_frame_of_which_nothing_is_known_may_match_anywhere(
        self, run: Make, folders: dict[str, Path]
    ) -> None:
        assert run(folders["plain"], "--gps-gate", 0.1).lines == run(folders["plain"]).lines

    def test_it_holds_for_the_places_of_a_map(
        self, run: Make, folders: dict[str, Path], tmp_path: Path
    ) -> None:
        campus = tmp_path / "campus.vpr"
        run(folders["placed"], "--map", campus, "--session", "monday")
        asked = ["--map", campus, "--map-read-only", "--gps-gate", 0.1]
        lines = run(folders["placed"], *asked).lines
        assert len(lines) >= FRAMES - 5
        assert {line["query_idx"] - line["match_idx"] for line in lines} == {0}
        assert {line["distance_m"] for line in lines} == {0.0}


def scores(result: Any) -> dict[str, Any]:
    assert (result.code, result.err) == (0, "")
    (line,) = result.lines
    assert isinstance(line, dict)
    return line


class TestEval:
    def truth(self, folder: Path, radius: float, exclude: int) -> Path:
        """The same pairs, found by looking at all of them."""
        places = [Position(*place(frame)) for frame in range(FRAMES)]
        pairs = [
            f"{q},{m}\n"
            for q in range(FRAMES)
            for m in range(q - exclude)
            if distance(places[q], places[m]) <= radius
        ]
        path = folder / "truth.csv"
        path.write_text("query_idx,match_idx\n" + "".join(pairs))
        return path

    @pytest.mark.parametrize(("radius", "exclude"), [(30, 30), (60, 10), (1000, 40)])
    def test_it_says_what_a_ground_truth_of_the_same_pairs_says(
        self, cli: Make, records: Make, tmp_path: Path, radius: float, exclude: int
    ) -> None:
        path = records("placed")
        truth = self.truth(tmp_path, radius, exclude)
        found = scores(cli("eval", path, "--gps-radius", radius, "--exclude", exclude))
        assert found == scores(cli("eval", path, "--ground-truth", truth))
        assert found["queries_with_positives"] > 0
        assert found["recall_at_1"] > 0.5

    def test_several_runs_have_an_exclusion_each(
        self, cli: Make, records: Make, tmp_path: Path
    ) -> None:
        path = records("placed")
        excludes = ("--exclude", 30, "--exclude", 10)
        *lines, _ = cli("eval", path, path, "--gps-radius", 60, *excludes).lines
        for line, exclude in zip(lines, (30, 10), strict=True):
            alone = scores(cli("eval", path, "--gps-radius", 60, "--exclude", exclude))
            assert {k: v for k, v in line.items() if k != "run"} == alone

    def test_frames_that_are_nowhere_are_left_out_with_a_word(
        self, cli: Make, records: Make, tmp_path: Path
    ) -> None:
        path = records("placed")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines[:5]:
            for key in PLACES:
                line.pop(key, None)
        for line in lines:
            if line["match_idx"] in range(5):
                for key in ("match_lat", "match_lon"):
                    line.pop(key)
        lost = [n for n, x in enumerate(lines) if n < 5 or x["match_idx"] in range(5)]
        assert len(lost) > 5
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        result = cli("eval", path, "--gps-radius", 30, "--exclude", 30)
        assert result.code == 0
        assert result.lines[0]["queries"] == FRAMES - len(lost)
        (warning,) = result.err.splitlines()
        assert f"of {len(lost)} of {FRAMES} frames it is unknown" in warning

    def test_records_may_come_through_a_pipe(self, process: Make, records: Make) -> None:
        path = records("placed")
        options = ("--gps-radius", 30, "--exclude", 30)
        piped = process("eval", "-", *options, input=path.read_bytes())
        assert scores(piped) == scores(process("eval", path, *options))

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ("{r}", "--ground-truth CSV, or --gps-radius METRES"),
            ("{r} --exclude 3", "--ground-truth CSV, or --gps-radius METRES"),
            ("{r} --gps-radius 30", "--gps-radius needs --exclude N"),
            ("{r} --gps-radius 30 --exclude 3 --ground-truth {r}", "either --ground-truth"),
            ("--gps-radius 30 --exclude 3", "needs the records"),
            ("{r} {r} --gps-radius 30 --exclude 3 --exclude 4 --exclude 5", "3 times --exclude"),
            ("{r} --gps-radius 0 --exclude 3", "gps-radius"),
            ("{r} --gps-radius -5 --exclude 3", "gps-radius"),
            ("{r} --gps-radius nan --exclude 3", "gps-radius"),
            ("{r} --gps-radius near --exclude 3", "near"),
        ],
    )
    def test_mistakes_are_one_line(
        self, cli: Make, tmp_path: Path, arguments: str, said: str
    ) -> None:
        (tmp_path / "a.jsonl").touch()
        result = cli("eval", *arguments.format(r=tmp_path / "a.jsonl").split())
        assert (result.code, result.out) == (2, b"")
        assert said in result.error

    def test_records_without_positions_cannot_tell(self, cli: Make, records: Make) -> None:
        result = cli("eval", records("plain"), "--gps-radius", 30, "--exclude", 30)
        assert (result.code, result.out) == (5, b"")
        assert "plain.jsonl: its records hold no positions" in result.error

    def test_nor_can_those_of_a_match(
        self, cli: Make, folders: dict[str, Path], tiny_model: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "match.jsonl"
        options = ("--model", tiny_model, "--output-dir", tmp_path / "out", *QUERIES)
        path.write_bytes(cli("match", folders["placed"], folders["placed"], *options).out)
        result = cli("eval", path, "--gps-radius", 30, "--exclude", 30)
        assert (result.code, result.out) == (5, b"")
        assert "`match`" in result.error
        assert "--ground-truth" in result.error
