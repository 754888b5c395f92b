"""What DJI's subtitles say, in the forms that its drones write."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.frames import Position
from streamvpr.sources.positions import dji
from streamvpr.sources.positions.dji import open_subtitles, read_srt

if TYPE_CHECKING:
    from pathlib import Path

AIR = (
    '<font size="36">SrtCnt : 1, DiffTime : 33ms\n2022-08-07 13:40:40,774,808\n'
    "[iso : 100] [shutter : 1/80.0] [fnum : 280] [ev : 0] [focal_len : 240] "
    "[latitude: 47.1] [longitude: 8.5] [altitude: 117.000000] </font>"
)
MAVIC = (
    "[iso: 100] [shutter: 1/800.0] [fnum: 4.5] [latitude: 47.1] [longitude: 8.5] "
    "[rel_alt: 1.371 abs_alt: 400.125] [gb_yaw: -9.6 gb_pitch: 3.8 gb_roll: 0.0]"
)
FORMS = {
    "brackets": (MAVIC, 400.125),
    "an altitude of some kind": (AIR, None),
    "misspelt": ("[latitude : 47.1] [longtitude : 8.5] [altitude: 28.736000] [Drone: Yaw:1]", None),
    "other texts beside": ("[latitude_str: 1.0N] [latitude: 47.1],[longitude: 8.5]", None),
    "tuple": ("HOME(8.9,47.9) 2017.07.29 15:18:50\nGPS(8.5,47.1,14) BAROMETER:58.9", None),
    "tuple with blanks": ("GPS (8.5, 47.1, 19)", None),
    "tuple in a line": (
        "F/2.8, SS 206.14, ISO 150, EV 0, GPS (8.5, 47.1, 10), D 24.50m, H 6.40m, H.S 0.00m/s",
        None,
    ),
    "of two": ("GPS (8.5, 47.1)", None),
    "metres: latitude first": ("2022.06.21 16:06:17\nGPS(47.1,8.5,0.0M) BAROMETER:0.3M", None),
    "phantom 4 rtk": (
        "F/6.3, SS 60, RTK (8.5, 47.1, 28), HOME (8.6, 47.2, 103.55m), F.PRY (-5.3°, 2.1°, 28.3°)",
        None,
    ),
    "much before it": (
        "A.T (126,109), LeCurve(64) (" + "1024," * 300 + ") GPS (8.5, 47.1, 15)",
        None,
    ),
}


def cue(number: int, begin: str, said: str, end: str = "01:00:00,000") -> str:
    return f"{number}\n{begin} --> {end}\n{said}\n\n"


def rows(text: str) -> list[tuple[float, float, float]]:
    return [(float(t), float(a), float(o)) for t, a, o in read_srt(text)[:, :3]]


class TestForms:
    @pytest.mark.parametrize("form", FORMS)
    def test_each_is_read(self, form: str) -> None:
        said, altitude = FORMS[form]
        (found,) = read_srt(cue(1, "00:00:02,500", said))
        assert found[:3].tolist() == [2.5, 47.1, 8.5]
        assert np.isnan(found[3]) if altitude is None else found[3] == altitude
        assert np.isnan(found[4]), "its clock is that of some zone"

    def test_a_matrice_in_new_zealand_is_not_beyond_the_pole(self) -> None:
        said = "GPS(-44.3266, 170.5650, 0.0M) BAROMETER: 363.3M"
        assert rows(cue(1, "00:00:00,000", said)) == [(0, -44.3266, 170.565)]

    def test_negative_degrees_are_west_and_south(self) -> None:
        text = cue(1, "00:00:00,000", "[latitude: -22.724555] [longitude: -47.602414]")
        text += cue(2, "00:00:01,000", "GPS (-47.602414, -22.724555, 9)")
        assert rows(text) == [(0, -22.724555, -47.602414), (1, -22.724555, -47.602414)]

    def test_times_are_hours_minutes_seconds_and_thousandths(self) -> None:
        text = cue(1, "01:02:03,004", MAVIC) + cue(2, "01:02:04.500", MAVIC)
        assert [row[0] for row in rows(text)] == [3723.004, 3724.5]

    def test_line_ends_of_windows_and_a_mark_of_order_change_nothing(self) -> None:
        text = cue(1, "00:00:00,000", AIR) + cue(2, "00:00:01,000", MAVIC)
        assert rows("\ufeff" + text.replace("\n", "\r\n")) == rows(text)
        assert len(rows(text)) == 2

    def test_an_end_of_sixty_seconds_as_drones_write_it_is_no_harm(self) -> None:
        text = cue(60, "00:00:59,000", MAVIC, end="00:00:60,000") + cue(61, "00:01:00,000", MAVIC)
        assert [row[0] for row in rows(text)] == [59, 60]


class TestMalformed:
    @pytest.mark.parametrize(
        "said",
        [
            "",
            "Hello there.",
            "[latitude: 47.1]",
            "[longitude: 8.5]",
            "[latitude: n/a] [longitude: n/a]",
            "[latitude: 47.1.2] [longitude: 8.5]",
            "[latitude: 1047.1] [longitude: 8.5]",
            "GPS (n/a, n/a, 0)",
            "GPS (8.5)",
            "GPS (8.5, 47.1, 19",
            "GPS (8.5; 47.1)",
            "HOME(8.5,47.1)",
            "A.GPSX (8.5, 47.1, 3)",
        ],
    )
    def test_a_cue_that_says_nothing_is_passed_over(self, said: str) -> None:
        text = cue(1, "00:00:00,000", said) + cue(2, "00:00:01,000", MAVIC)
        assert rows(text) == [(1, 47.1, 8.5)]

    @pytest.mark.parametrize("begin", ["", "0:0:1,0", "00:00:01", "aa:bb:cc,ddd", "1234:00:00,000"])
    def test_a_cue_without_a_time_is_passed_over(self, begin: str) -> None:
        text = cue(1, begin, MAVIC) + cue(2, "00:00:01,000", AIR)
        assert rows(text) == [(1, 47.1, 8.5)]

    def test_a_cue_of_another_time_spoils_no_other(self, tmp_path: Path) -> None:
        text = cue(1, "99:00:00,000", "[latitude: 1.0] [longitude: 1.0]")
        text += "".join(cue(n, f"00:00:0{n},000", MAVIC) for n in (3, 1, 2))
        (tmp_path / "a.srt").write_text(text)
        found = open_subtitles(tmp_path / "a.mp4", beginning=0.0)
        assert found is not None
        assert found.at(1.5).position == Position(47.1, 8.5, 400.125)

    @pytest.mark.parametrize(
        "text",
        [
            "9" * 2_000_000,
            "00:00:00,000 " * 100_000,
            "0:" * 500_000,
            "1:00:00,000" + " " * 2_000_000,
        ],
        ids=["digits", "times", "colons", "blanks"],
    )
    def test_text_made_to_take_long_does_not(self, text: str) -> None:
        began = time.process_time()
        assert len(read_srt(text)) == 0
        assert time.process_time() - began < 2

    @pytest.mark.parametrize("said", ["latitude" + " " * 9000, "GPS (" * 2000, "GPS ( 8" * 1500])
    def test_nor_do_cues(self, said: str) -> None:
        began = time.process_time()
        assert len(read_srt("".join(cue(n, "00:00:00,000", said) for n in range(100)))) == 0
        assert time.process_time() - began < 2


class TestBeside:
    @pytest.mark.parametrize("ending", [".SRT", ".srt"])
    def test_it_has_the_stem_of_the_video(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / f"DJI_0001{ending}").write_text(cue(1, "00:00:00,000", MAVIC))
        (tmp_path / "other.SRT").write_text(cue(1, "00:00:00,000", AIR))
        assert open_subtitles(tmp_path / "DJI_0001.MP4", beginning=0.0) is not None
        assert open_subtitles(tmp_path / "DJI_0002.MP4", beginning=0.0) is None

    def test_its_times_count_from_where_the_video_begins(self, tmp_path: Path) -> None:
        (tmp_path / "a.SRT").write_text(cue(1, "00:00:02,000", MAVIC))
        found = open_subtitles(tmp_path / "a.ts", beginning=90.0)
        assert found is not None
        assert found.at(92.0).position is not None
        assert found.at(2.0).position is None

    def test_signs_in_any_code_are_borne(self, tmp_path: Path) -> None:
        (tmp_path / "a.SRT").write_bytes(b"\xb0\xff" + cue(1, "00:00:00,000", MAVIC).encode())
        assert open_subtitles(tmp_path / "a.mp4", beginning=0.0) is not None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no subtitles",
            cue(1, "00:00:00,000", "Hello."),
            cue(1, "00:00:00,000", "GPS(0,0,0)"),
        ],
    )
    def test_without_a_position_there_is_one_line_of_it(
        self, tmp_path: Path, text: str, logged: Any
    ) -> None:
        logging.getLogger("streamvpr").setLevel(logging.INFO)
        (tmp_path / "a.srt").write_text(text)
        assert open_subtitles(tmp_path / "a.mp4", beginning=0.0) is None
        (record,) = logged.records
        assert record.levelname == "INFO"
        assert record.getMessage() == f"{tmp_path / 'a.srt'} holds no position"

    def test_nothing_beside_it_is_no_line(self, tmp_path: Path, logged: Any) -> None:
        assert open_subtitles(tmp_path / "a.mp4", beginning=0.0) is None
        assert not logged.records

    def test_a_folder_of_that_name_is_none(self, tmp_path: Path, logged: Any) -> None:
        (tmp_path / "a.SRT").mkdir()
        assert open_subtitles(tmp_path / "a.mp4", beginning=0.0) is None
        assert not logged.records

    def test_more_than_any_flight_is_not_read(
        self, tmp_path: Path, logged: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dji, "MOST_BYTES", 1 << 20)
        (tmp_path / "a.SRT").write_text(cue(1, "00:00:00,000", MAVIC) + " " * (1 << 20))
        assert open_subtitles(tmp_path / "a.mp4", beginning=0.0) is None
        (warning,) = logged.warnings
        assert "larger than 1 MB" in warning

    def test_what_cannot_be_read_is_a_warning(self, tmp_path: Path, logged: Any) -> None:
        name = "a" * 252
        assert open_subtitles(tmp_path / f"{name}.ts", beginning=0.0) is None
        assert all("cannot read" in warning for warning in logged.warnings)
        assert len(logged.warnings) == 2
