"""What the doctor says of things that are, and of things that are missing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.config import Device, ModelOptions
from streamvpr.doctor import Check, as_json, as_text, decoding, exit_code, inference, packages
from streamvpr.doctor.checks import Finding, attempt
from streamvpr.doctor.machine import free_memory
from streamvpr.embedding import DeviceState
from streamvpr.embedding.devices import SWITCH
from streamvpr.errors import ConfigError, DeviceError, ModelError, StoreError
from streamvpr.sources import hardware
from streamvpr.sources.hardware import CODECS, try_decoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Path]


def failing(error: Exception) -> Callable[[], Finding]:
    def prove() -> Finding:
        raise error

    return prove


class TestChecks:
    def test_one_that_works(self) -> None:
        found = attempt("x", lambda: Finding("fine", {"1": 2.5}))
        assert found == Check("x", True, "fine", values={"1": 2.5})

    def test_one_that_was_not_tried(self) -> None:
        assert attempt("x", lambda: Finding("there", tried=False)).works is None

    def test_one_that_fails_has_the_code_and_the_remedy_of_its_error(self) -> None:
        found = attempt("x", failing(ModelError("no", remedy="mend it")), remedy="another")
        assert found == Check("x", False, "no", True, 3, "mend it")

    def test_the_remedy_where_the_error_names_none(self) -> None:
        assert attempt("x", failing(DeviceError("no")), remedy="another").remedy == "another"

    def test_a_bug_is_no_finding(self) -> None:
        with pytest.raises(ZeroDivisionError):
            attempt("x", failing(ZeroDivisionError()))

    def test_the_exit_code_is_that_of_the_first_need(self) -> None:
        optional = Check("a", False, "", needed=False, exit_code=4)
        untried = Check("b", None, "", exit_code=5)
        assert exit_code([optional, untried]) == 0
        needs = [Check("c", False, "", exit_code=code) for code in (2, 3)]
        assert exit_code([optional, untried, *needs]) == 2


class TestReport:
    def test_those_that_went_alike_share_a_line(self) -> None:
        checks = [
            Check("device a", False, "device a: no driver", needed=False),
            Check("device b", False, "device b: no driver", needed=False),
            Check("device c", True, "ran", needed=False),
            Check("codec a", True, "ran", needed=False),
        ]
        assert as_text(checks).splitlines() == [
            "no   device a, b: no driver",
            "ok   device c: ran",
            "ok   codec a: ran",
        ]
        assert len(as_json(checks).splitlines()) == 4

    def test_others_do_not(self) -> None:
        checks = [Check("cores", True, "2"), Check("memory", True, "2")]
        assert len(as_text(checks).splitlines()) == 2

    def test_marks(self) -> None:
        checks = [Check("a", False, "x"), Check("b", None, "y"), Check("c", False, "z", False)]
        assert [line[:4].strip() for line in as_text(checks).splitlines()] == ["FAIL", "--", "no"]

    def test_a_remedy_has_a_line_of_its_own_unless_it_was_said(self) -> None:
        silent = Check("a", False, "gone", remedy="fetch a")
        telling = Check("b", False, "gone: fetch b", remedy="fetch b")
        assert as_text([silent]).splitlines()[1:] == ["     fetch a"]
        assert len(as_text([telling]).splitlines()) == 1


class TestPackages:
    @pytest.fixture
    def there(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        def install(*names: str, driver: bool = False) -> None:
            monkeypatch.setattr(packages, "installed", lambda _: dict.fromkeys(names, "1.0"))
            monkeypatch.setattr(packages, "has_driver", lambda: driver)

        return install

    @staticmethod
    def onnxruntime() -> Check:
        (found,) = [check for check in packages.check() if check.name == "onnxruntime"]
        return found

    def test_versions(self) -> None:
        found = {check.name: check for check in packages.check()}
        assert set(found) == {"streamvpr", "platform", "packages", "onnxruntime", "extra export"}
        values = found["packages"].values or {}
        assert {"av", "numpy", "libavcodec"} <= set(values)
        assert values["libavcodec"] in found["packages"].detail

    @pytest.mark.parametrize(("driver", "extra"), [(True, "gpu"), (False, "cpu")])
    def test_both_builds_at_once(
        self, there: Callable[..., None], driver: bool, extra: str
    ) -> None:
        there("onnxruntime", "onnxruntime-gpu", driver=driver)
        found = self.onnxruntime()
        assert found.works is False
        assert found.remedy is not None
        assert found.remedy.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && ")
        assert found.remedy.endswith(f"pip install 'streamvpr[{extra}]'")

    def test_none_at_all(self, there: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        there()
        monkeypatch.setattr(packages, "available_devices", failing(ConfigError("needs it")))
        found = self.onnxruntime()
        assert (found.works, found.exit_code) == (False, 2)
        assert found.remedy == "pip install 'streamvpr[cpu]'"

    def test_an_extra_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(packages, "NEEDED", ("numpy", "surely_not_there"))
        found = packages.check()[-1]
        assert (found.works, found.needed) == (False, False)
        assert "surely_not_there" in found.detail
        assert found.remedy == "pip install 'streamvpr[export]'"

    def test_an_extra_that_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(packages, "NEEDED", ("numpy",))
        assert (packages.check()[-1].works, packages.check()[-1].remedy) == (True, None)


class TestMachine:
    def test_of_the_machine(self, tmp_path: Path) -> None:
        (tmp_path / "meminfo").write_text("MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable: 4 kB\n")
        assert free_memory(tmp_path / "meminfo", tmp_path, ["/"]) == (8192, 4096)

    @pytest.mark.parametrize(
        ("folder", "limit", "used"),
        [
            ("box", "memory.max", "memory.current"),
            ("memory/box", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        ],
    )
    def test_of_the_control_group(self, tmp_path: Path, folder: str, limit: str, used: str) -> None:
        (tmp_path / "meminfo").write_text("MemTotal: 8 kB\nMemAvailable: 4 kB\n")
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / limit).write_text("3000\n")
        (tmp_path / folder / used).write_text("1000\n")
        assert free_memory(tmp_path / "meminfo", tmp_path, ["/", "/box"]) == (3000, 2000)

    def test_a_group_without_a_limit(self, tmp_path: Path) -> None:
        (tmp_path / "meminfo").write_text("MemTotal: 8 kB\nMemAvailable: 4 kB\n")
        (tmp_path / "memory.max").write_text("max\n")
        (tmp_path / "memory.current").write_text("1000\n")
        assert free_memory(tmp_path / "meminfo", tmp_path, ["/"]) == (8192, 4096)

    def test_a_system_that_does_not_say(self, tmp_path: Path) -> None:
        assert free_memory(tmp_path / "none", tmp_path, []) == (None, None)


class TestDecoding:
    @pytest.mark.parametrize("codec", CODECS)
    def test_each_codec(self, codec: str, capfd: pytest.CaptureFixture[str]) -> None:
        found = try_decoder(codec)
        assert found.frames in (None, hardware.PROOF_FRAMES)
        assert capfd.readouterr() == ("", "")

    def test_one_without_an_encoder_is_there_and_not_tried(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hardware, "has_encoder", lambda _: False)
        checks = {check.name: check for check in decoding.check()}
        found = checks["codec h264"]
        assert (found.works, found.values) == (None, {"decoder": "h264", "frames": None})
        assert "not tried" in found.detail

    def test_one_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hardware, "has_encoder", lambda _: False)
        monkeypatch.setattr(hardware, "_has_decoder", lambda _: False)
        checks = {check.name: check for check in decoding.check()}
        found = checks["codec av1"]
        assert (found.works, found.needed, found.exit_code) == (False, False, 3)
        assert shlex.split(str(found.remedy))[:2] == ["pip", "install"]

    def test_a_decoder_that_loses_frames(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hardware, "_count_frames", lambda *_: ("mpeg4", 1))
        with pytest.raises(DeviceError, match="mpeg4 decoded 1 of 3 frames"):
            try_decoder("mpeg4")

    def test_an_encoder_that_does_not_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def encode(*_: object, **__: object) -> None:
            raise StoreError("cannot write")

        monkeypatch.setattr(hardware, "encode_video", encode)
        with pytest.raises(DeviceError, match="mpeg4 does not encode mpeg4 to try it: cannot"):
            try_decoder("mpeg4")


class TestInference:
    @staticmethod
    def check(**options: Any) -> dict[str, Check]:
        return {check.name: check for check in inference.check(ModelOptions(**options))}

    def test_a_model_of_ones_own(self, tiny_model: Path) -> None:
        found = self.check(model=str(tiny_model), device=Device.CPU, threads=1)
        assert found["model"].values is not None
        assert found["model"].values["dimension"] == 193
        speed = found["speed"].values or {}
        assert list(speed) == ["1", "4", "8", "16"]
        assert all(value > 0 for value in speed.values())
        assert "cpu with 1 thread:" in found["speed"].detail
        assert found["device cpu"].works is True

    def test_a_model_that_is_broken_says_nothing_of_the_devices(self, make_model: Make) -> None:
        found = self.check(model=str(make_model(None)))
        assert (found["model"].works, found["model"].exit_code) == (False, 3)
        assert "no card" in found["model"].detail
        assert found["speed"].works is None
        assert found["device cpu"].works is True

    def test_an_engine_is_not_built(
        self, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = DeviceState("tensorrt", None, "not tried", "streamvpr models --build-engines")
        monkeypatch.setattr(inference, "survey_devices", lambda *_: [state])
        found = self.check(model=str(tiny_model), device=Device.TENSORRT)
        assert found["model"].works is None
        assert found["model"].remedy == found["device tensorrt"].remedy == state.remedy

    def test_a_device_that_lacks_something(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def lack(*_: object) -> None:
            raise ModelError(f"device cuda needs it: {SWITCH}", remedy=SWITCH)

        monkeypatch.setattr("streamvpr.embedding.survey.require", lack)
        found = self.check()["device cuda"]
        assert (found.works, found.needed, found.remedy) == (False, False, SWITCH)

    def test_models_without_a_card(self, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("STREAMVPR_MODELS", str(make_model(None, name="bare").parent))
        found = self.check()["models"]
        assert (found.works, found.needed) == (False, False)
        assert (found.values or {})["broken"] == ["bare"]
