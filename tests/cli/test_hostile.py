"""Names and sizes that nobody means well with: one line, or a run that goes on."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Any]

pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")

LONG = "x" * 5000


class TestNames:
    @pytest.mark.parametrize(
        "line",
        [
            ["run", LONG],
            ["run", f"cam={LONG}"],
            ["run", f"rtsp://host/{LONG}", "--camera", LONG],
            ["match", LONG, LONG],
            ["report", LONG],
            ["run", LONG, LONG, "--concat"],
        ],
    )
    def test_that_are_too_long_are_not_there(self, cli: Make, line: list[str]) -> None:
        result = cli(*line)
        assert result.code in (2, 4, 5)
        assert len(result.error) > 0

    def test_that_are_no_text_are_written_as_text(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        path = os.fsencode(tmp_path) + b"/\xff\xfe.mp4"
        try:
            os.link(flight.path, path)
        except OSError:
            pytest.skip("this file system has no such names")
        output = os.fsdecode(os.fsencode(tmp_path) + b"/out\xff")
        known = ["--model", tiny_model, "--records", "all", "--fps", "2"]
        places = tmp_path / "places.vpr"
        result = cli("run", os.fsdecode(path), *known, "--output-dir", output, "--map", places)
        assert result.code == 0, result.err
        assert {line["stream"] for line in result.lines if "stream" in line} == {"\ufffd\ufffd"}
        assert cli("report", output).code == 0
        assert cli("map", "info", places).code == 0

    def test_that_are_no_text_may_be_maps_and_logins(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        places = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.vpr")
        for _ in range(2):
            done = cli("run", flight.path, "--model", tiny_model, "--map", places)
            assert done.code == 0, done.err
        assert json.loads(cli("map", "info", places, "--json").out)["places"] > 0
        refused = cli("run", os.fsdecode(b"rtsp://a\xff:b@127.0.0.1:1/x"), "--reconnect-for", 0.1)
        assert refused.code == 4
        assert "a%FF:***@127.0.0.1" in refused.error or "***@127.0.0.1" in refused.error

    def test_with_a_nul_are_refused_in_settings(self, cli: Make, tmp_path: Path) -> None:
        path = tmp_path / "a.toml"
        path.write_text('sources = ["a", "b\\u0000c"]\n', encoding="utf-8")
        result = cli("run", "--config", path)
        assert result.code == 2
        assert "NUL" in result.error


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("a = " + "[" * 100_000, "nested too deeply"),
            ("a" + ".a" * 20_000 + " = 1", "more than 32 parts"),
            ('a = "' + "x" * 2**20 + '"', "more than 1048576 bytes"),
            ("x" * 2**19, "no TOML"),
        ],
    )
    def test_of_settings_and_cards(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path, text: str, said: str
    ) -> None:
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        result = cli("run", flight.path, "--config", path)
        assert result.code == 2
        assert said in result.error
        os.link(tiny_model, path.with_suffix(".onnx"))
        assert cli("run", flight.path, "--model", path.with_suffix(".onnx")).code == 3

    def test_of_pictures_are_bounded(self, tiny_model: Path, tmp_path: Path) -> None:
        """870 KB that would fill 5 GB; a tenth of it here, with as large a header."""
        packed = zlib.compressobj(9)
        line = bytes(3 * 30_000 + 1)
        data = b"".join(packed.compress(line) for _ in range(3000)) + packed.flush()
        head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
        png = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(b)) + kind + b + struct.pack(">I", zlib.crc32(kind + b))
            for kind, b in chunks
        )
        (tmp_path / "pictures").mkdir()
        (tmp_path / "pictures" / "1.png").write_bytes(png)
        # OpenCV is told when it is loaded, and here it was before the program.
        line = [sys.executable, "-m", "streamvpr", "run", tmp_path / "pictures"]
        done = subprocess.run(
            [*line, "--model", tiny_model], check=False, capture_output=True, text=True, timeout=50
        )
        assert done.returncode == 4
        assert "more than 160000000 pixels" in done.stderr

    def test_of_films_are_bounded(self, run: Make, make_video: Make, tmp_path: Path) -> None:
        wide = np.zeros((16, 8192, 3), np.uint8)
        assert run(make_video(tmp_path / "wide.mkv", [wide] * 2)).code == 0
        huge = np.zeros((8320, 8320, 3), np.uint8)
        path = make_video(tmp_path / "huge.mkv", [huge], codec="mjpeg", pix_fmt="yuvj420p")
        result = run(path)
        assert result.code == 4
        assert "no frame of" in result.error

    def test_a_codec_that_nobody_knows_is_one_line(
        self, run: Make, flight: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "odd.mp4"
        path.write_bytes(flight.path.read_bytes().replace(b"avc1", b"zzzz"))
        result = run(path)
        assert result.code == 4
        assert "no decoder" in result.error


class TestNumbers:
    @pytest.mark.parametrize("key", ["fps", "sequence-length", "connect-timeout", "capacity"])
    def test_that_no_float_holds_are_refused(self, cli: Make, tmp_path: Path, key: str) -> None:
        path = tmp_path / "a.toml"
        path.write_text(f"{key} = {'9' * 400}\n", encoding="utf-8")
        result = cli("run", "a.mp4", "--config", path)
        assert result.code == 2
        assert key in result.error


class TestMaps:
    def test_with_a_table_destroyed_are_damaged_for_every_command(
        self, cli: Make, flight: Any, tiny_model: Path, tmp_path: Path
    ) -> None:
        whole = tmp_path / "whole.vpr"
        film = [flight.path, "--model", tiny_model, "--threads", "1", "--top-k", "2"]
        assert cli("run", *film, "--map", whole).code == 0
        with contextlib.closing(sqlite3.connect(whole)) as connection:
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            roots = connection.execute(
                "SELECT rootpage FROM sqlite_master WHERE name IN ('place', 'stream', 'session')"
            ).fetchall()
        for (root,) in roots:
            path = tmp_path / f"{root}.vpr"
            data = bytearray(whole.read_bytes())
            data[(root - 1) * size : root * size] = b"\xff" * size
            path.write_bytes(data)
            for line in (
                ["map", "prune", path, "--most", 2],
                ["map", "prune", path, "--older-than", 1],
                ["run", *film, "--map", path],
            ):
                result = cli(*line)
                assert result.code == 5, (line, result.err)
                assert "damaged" in result.error
