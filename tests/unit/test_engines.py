"""Where TensorRT's engines are kept, what it is told, and what is said in the meantime."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from streamvpr.embedding.engines import (
    EngineKey,
    build,
    engine_options,
    engines_folder,
    tensorrt_version,
)
from streamvpr.embedding.signature import Signature
from streamvpr.embedding.ticker import EVERY, in_words, patiently, tick
from streamvpr.errors import ModelError

KEY = EngineKey("ab", True, (32, 48, 3), (1, 2, 4), "1.31.1", "101600", "Orin", "8.7")
FREE = Signature("pixels", (None, 32, 48, 3), "uint8", {"y": 8})


class TestKey:
    @pytest.mark.parametrize("field", [field.name for field in fields(EngineKey)])
    def test_all_that_it_depends_on_changes_it(self, field: str) -> None:
        other: dict[str, Any] = {"half": False, "shape": (3, 32, 48), "batches": (1, 2, 8)}
        changed = replace(KEY, **{field: other.get(field, "other")})
        assert changed.short != KEY.short

    def test_it_is_short_and_the_same_in_every_process(self) -> None:
        assert KEY.short == replace(KEY).short == "b70590029cb5fb4e"

    def test_engines_are_kept_in_the_cache_of_the_user(self) -> None:
        assert engines_folder() == platformdirs.user_cache_path("streamvpr") / "engines"


class TestOptions:
    def test_of_a_free_batch(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"
        assert engine_options(KEY, FREE, folder) == {
            "trt_fp16_enable": "1",
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(folder),
            "trt_profile_min_shapes": "pixels:1x32x48x3",
            "trt_profile_opt_shapes": "pixels:4x32x48x3",
            "trt_profile_max_shapes": "pixels:4x32x48x3",
        }
        assert folder.is_dir()

    def test_a_graph_without_a_free_size_needs_no_profile(self, tmp_path: Path) -> None:
        fixed = Signature("pixels", (4, 32, 48, 3), "uint8", {"y": 8})
        options = engine_options(replace(KEY, batches=(4,)), fixed, tmp_path)
        assert not [name for name in options if "profile" in name]

    def test_a_name_that_reads_as_a_shape_is_left_out(self, tmp_path: Path) -> None:
        options = engine_options(KEY, replace(FREE, input="pixels:0"), tmp_path)
        assert not [name for name in options if "profile" in name]

    def test_single_precision(self, tmp_path: Path) -> None:
        assert engine_options(replace(KEY, half=False), FREE, tmp_path)["trt_fp16_enable"] == "0"

    def test_a_cache_that_cannot_be_written_is_warned_of(self, tmp_path: Path, logged: Any) -> None:
        (tmp_path / "file").touch()
        options = engine_options(KEY, FREE, tmp_path / "file" / "engines")
        assert "trt_engine_cache_enable" not in options
        assert "Not a directory" in logged.warnings[0]

    def test_a_tensorrt_that_is_not_there_has_no_version(self) -> None:
        assert tensorrt_version("libnvinfer.so.none") == ""
        assert tensorrt_version("libc.so.6") == ""


class TestTicker:
    def test_it_says_how_long_it_has_been(self) -> None:
        times = iter([100.0, 130.0, 160.5])
        waits = iter([False, False, True])
        waited: list[float] = []
        said: list[float] = []

        def wait(seconds: float) -> bool:
            waited.append(seconds)
            return next(waits)

        tick(said.append, wait, lambda: next(times))
        assert said == [30.0, 60.5]
        assert waited == [EVERY] * 3

    def test_what_is_quick_is_not_spoken_of(self) -> None:
        said: list[float] = []
        assert patiently(lambda: 7, said.append) == 7
        assert said == []

    def test_what_fails_raises_where_it_is_waited_for(self) -> None:
        def fail() -> None:
            raise ModelError("it is broken")

        with pytest.raises(ModelError, match="it is broken"):
            patiently(fail, lambda _: None)

    def test_an_interrupt_does_not_wait_for_the_work(self) -> None:
        """In a process of its own, whose work would take a minute."""
        code = (
            "import signal, time; from streamvpr.embedding.ticker import patiently\n"
            # A shell starts what runs in its background with Ctrl-C ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "print('begun', flush=True); patiently(lambda: time.sleep(60), print)"
        )
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        assert b"KeyboardInterrupt" in errors
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize(
        ("seconds", "words"), [(30.2, "30 s"), (90, "90 s"), (120, "2 min"), (199, "3 min")]
    )
    def test_in_words(self, seconds: float, words: str) -> None:
        assert in_words(seconds) == words

    def test_the_line_names_the_model_and_the_folder(
        self, monkeypatch: pytest.MonkeyPatch, logged: Any
    ) -> None:
        monkeypatch.setattr(
            "streamvpr.embedding.engines.patiently", lambda work, say: say(180.0) or work()
        )
        logging.getLogger("streamvpr").setLevel(logging.INFO)
        assert build("resnet50-gem", Path("/cache/ab"), lambda: 7) == 7
        (line,) = logged.messages(logging.INFO)
        assert line == (
            "building the TensorRT engine of resnet50-gem, 3 min so far; up to 10 min on a Jetson "
            "Orin; kept for the next run in /cache/ab"
        )

    @pytest.mark.parametrize(
        ("message", "said"),
        [
            ("TensorRT EP could not deserialize engine from cache: a.engine", "delete it"),
            ("another", "^another$"),
        ],
    )
    def test_an_engine_that_is_broken_is_to_be_deleted(self, message: str, said: str) -> None:
        def fail() -> None:
            raise ModelError(message)

        with pytest.raises(ModelError, match=said):
            build("resnet50-gem", Path("/cache/ab"), fail)
