"""Choosing device and precision, on a GPU that the CPU plays: real sessions, real buffers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.embedding import build_engines, open_embedder, plan, runtime, survey_devices
from streamvpr.embedding.gpu import Gpu, has_driver
from streamvpr.embedding.opening import has_engine
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Path]

WEIGHTS = 'weights_sha256 = "abc"'
HALF = f'precision = "fp16"\n{WEIGHTS}'
OPENING = "streamvpr.embedding.opening"


def pictures(count: int) -> list[Any]:
    return list(np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), np.uint8))


class Machine:
    """What a machine with a GPU would be asked."""

    def __init__(self) -> None:
        self.options: list[tuple[str, dict[str, str]]] = []
        self.fails = ""

    def require(self, _: object, device: str) -> None:
        if device in self.fails.split():
            raise ModelError(f"device {device}: it is broken")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    found = Machine()

    def providers(device: str, options: dict[str, str]) -> list[str]:
        found.options.append((device, dict(options)))
        return [runtime.CPU]

    monkeypatch.setattr(runtime, "PROVIDERS", dict.fromkeys(runtime.PROVIDERS, runtime.CPU))
    monkeypatch.setattr(runtime, "_providers", providers)
    monkeypatch.setattr(plan, "MEMORY", dict.fromkeys(plan.MEMORY, "cpu"))
    monkeypatch.setattr(f"{OPENING}.require", found.require)
    monkeypatch.setattr("streamvpr.embedding.survey.require", found.require)
    monkeypatch.setattr(f"{OPENING}.has_driver", lambda: True)
    monkeypatch.setattr(f"{OPENING}.find_gpu", lambda: Gpu("Orin", "8.7"))
    monkeypatch.setattr(f"{OPENING}.engines.engines_folder", lambda: tmp_path / "engines")
    logging.getLogger("streamvpr").setLevel(logging.INFO)
    return found


@pytest.mark.usefixtures("machine")
class TestCuda:
    def test_auto_takes_it_where_it_runs(self, make_model: Make) -> None:
        embedder = open_embedder(str(make_model()))
        assert (embedder.device, embedder.note) == ("cuda", "")

    def test_auto_takes_the_cpu_where_it_does_not(self, make_model: Make, machine: Machine) -> None:
        machine.fails = "cuda"
        embedder = open_embedder(str(make_model()))
        assert (embedder.device, embedder.note) == ("cpu", "it is broken")

    def test_auto_never_takes_tensorrt(self, make_model: Make, machine: Machine) -> None:
        open_embedder(str(make_model()))
        assert [device for device, _ in machine.options] == ["cuda"]

    def test_the_same_descriptors_as_on_the_cpu(self, make_model: Make) -> None:
        model = str(make_model())
        found = open_embedder(model, device="cuda", batch_size=4).embed(pictures(11))
        wanted = open_embedder(model, device="cpu").embed(pictures(11))
        np.testing.assert_array_equal(found, wanted)

    def test_half_precision_where_there_is_a_file_of_it(
        self, make_model: Make, logged: Any
    ) -> None:
        model = make_model(WEIGHTS)
        make_model(HALF, name="made-fp16", dtype="uint8", gives="float16")
        assert open_embedder(str(model), device="cuda").card.name == "made-fp16"
        assert "half precision (cosine" in "".join(logged.messages(logging.INFO))

    def test_thresholds_are_those_of_the_model_that_was_named(self, make_model: Make) -> None:
        model = make_model(f"threshold.value = 0.7\n{WEIGHTS}")
        make_model(HALF, name="made-fp16")
        assert open_embedder(str(model), device="cuda").card.threshold.value == 0.7

    def test_not_where_the_card_forbids_it(self, make_model: Make) -> None:
        model = make_model(f"half = false\n{WEIGHTS}")
        make_model(HALF, name="made-fp16")
        assert open_embedder(str(model), device="cuda").card.name == "made"

    def test_not_where_it_is_another_file_than_its_card_says(
        self, make_model: Make, logged: Any
    ) -> None:
        model = make_model(WEIGHTS)
        make_model(f'sha256 = "00"\n{HALF}', name="made-fp16")
        assert open_embedder(str(model), device="cuda").card.name == "made"
        assert "not the one on its card" in logged.warnings[0]

    @pytest.mark.parametrize("text", [b"", b"no model"])
    def test_a_broken_file_is_not_the_fault_of_the_gpu(self, make_model: Make, text: bytes) -> None:
        model = make_model()
        model.write_bytes(text)
        with pytest.raises(ModelError, match="no ONNX file") as caught:
            open_embedder(str(model), device="cuda")
        assert "device" not in str(caught.value)

    def test_a_batch_that_does_not_run_is_an_error(self, make_model: Make) -> None:
        model = make_model(height="h", width="w", trailing=True, second=True)
        with pytest.raises(ModelError, match=r"3, 8, 8"):
            open_embedder(str(model), device="cuda")


class TestTensorrt:
    def test_half_precision_is_proved_and_engines_are_kept(
        self, make_model: Make, machine: Machine, logged: Any
    ) -> None:
        open_embedder(str(make_model()), device="tensorrt", batch_size=4)
        (reference, _), (device, options) = machine.options
        assert (reference, device) == ("cpu", "tensorrt")
        assert options["trt_fp16_enable"] == "1"
        assert options["trt_profile_max_shapes"] == "pixels:4x32x32x3"
        assert "half precision (cosine" in "".join(logged.messages(logging.INFO))

    def test_single_precision_where_the_card_says_so(
        self, make_model: Make, machine: Machine
    ) -> None:
        open_embedder(str(make_model("half = false")), device="tensorrt")
        ((_, options),) = machine.options
        assert options["trt_fp16_enable"] == "0"

    def test_another_batch_size_is_another_engine(self, make_model: Make, machine: Machine) -> None:
        model = str(make_model("half = false"))
        for size in (4, 4, 8):
            open_embedder(model, device="tensorrt", batch_size=size)
        first, again, other = (options["trt_engine_cache_path"] for _, options in machine.options)
        assert first == again != other

    @pytest.mark.usefixtures("machine")
    def test_engines_are_built_of_all_that_can_be_used(self, make_model: Make, logged: Any) -> None:
        good, bad = make_model(), make_model(name="bad", dtype="float32")
        # Of local features there is no engine, and nothing to warn of.
        assert list(build_engines([str(bad), "xfeat", str(good)])) == ["made"]
        (warning,) = logged.warnings
        assert "no engine of" in warning

    def test_where_it_does_not_run_nothing_is_built(
        self, make_model: Make, machine: Machine
    ) -> None:
        machine.fails = "tensorrt"
        with pytest.raises(ModelError, match="it is broken"):
            build_engines([str(make_model())])

    @pytest.mark.parametrize("sibling", [False, True])
    def test_an_engine_that_is_there_is_seen(
        self, make_model: Make, machine: Machine, sibling: bool
    ) -> None:
        model = str(make_model(WEIGHTS))
        if sibling:
            make_model(HALF, name="made-fp16", gives="float16")
        assert not has_engine(model)
        open_embedder(model, device="tensorrt")
        _, options = machine.options[1]
        (Path(options["trt_engine_cache_path"]) / "a.engine").touch()
        assert has_engine(model)


class TestSurvey:
    def test_of_a_gpu(self, make_model: Make, machine: Machine) -> None:
        machine.fails = ""
        found = {state.device: state for state in survey_devices(str(make_model()))}
        assert found["cpu"].runs
        assert found["cuda"].detail == "made ran"
        assert found["tensorrt"].runs is None
        assert "--build-engines" in found["tensorrt"].detail

    def test_without_one_the_remedies_are_named(self, make_model: Make) -> None:
        if has_driver():
            pytest.skip("there may be a GPU here")
        cpu, cuda, tensorrt = survey_devices(str(make_model()))
        assert (cpu.runs, cuda.runs, tensorrt.runs) == (True, False, False)
        assert cuda.detail.startswith("device cuda")
