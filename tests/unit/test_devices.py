"""What a device lacks: read from real libraries, and from one that plays NVIDIA's driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.embedding import available_devices, open_embedder
from streamvpr.embedding.devices import (
    folder_of,
    missing_libraries,
    remedy,
    require,
    required_libraries,
    version_of,
)
from streamvpr.embedding.elf import needed_libraries
from streamvpr.embedding.gpu import find_gpu, has_driver
from streamvpr.embedding.quiet import without_log, without_prints
from streamvpr.embedding.runtime import first_line, load_runtime, open_session
from streamvpr.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return 0; }
int cuDeviceGetName(char *name, int length, int device)
{ strncpy(name, "Pretend 9000", length); return 0; }
int cuDeviceGetAttribute(int *value, int which, int device)
{ *value = which == 75 ? 8 : which == 76 ? 7 : -1; return 0; }
"""

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., Path]:
    def build(name: str, code: str, *flags: str) -> Path:
        path = tmp_path / name
        line = ["cc", "-shared", "-fPIC", "-x", "c", "-", *flags, "-o", str(path)]
        subprocess.run(line, input=code.encode(), check=True)
        return path

    return build


class TestDriver:
    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(ModelError, match="no NVIDIA driver on this machine"):
            find_gpu("libcuda.so.none")
        assert not has_driver("libcuda.so.none")

    @needs_compiler
    def test_one_that_works(self, compiled: Callable[..., Path]) -> None:
        driver = str(compiled("libcuda.so.1", DRIVER, "-DINIT=0"))
        assert has_driver(driver)
        gpu = find_gpu(driver)
        assert gpu.capability == "8.7"
        if not Path("/proc/device-tree/model").exists():
            assert gpu.name == "Pretend 9000"

    @needs_compiler
    @pytest.mark.parametrize(("code", "why"), [(100, "sees no GPU"), (803, "cuInit.*803")])
    def test_one_that_does_not(self, compiled: Callable[..., Path], code: int, why: str) -> None:
        driver = compiled("libcuda.so.1", DRIVER, f"-DINIT={code}")
        with pytest.raises(ModelError, match=why):
            find_gpu(str(driver))


class TestLibraries:
    @needs_compiler
    def test_what_a_library_needs_is_read_from_it(self, compiled: Callable[..., Path]) -> None:
        first = compiled(
            "libcublas.so.13", "int one(void) { return 1; }", "-Wl,-soname,libcublas.so.13"
        )
        second = compiled(
            *("libsecond.so", "int one(void); int two(void) { return one() + 1; }"),
            *(f"-L{first.parent}", "-l:libcublas.so.13", "-Wl,--no-as-needed", "-lm"),
        )
        assert needed_libraries(second)[:2] == ["libcublas.so.13", "libm.so.6"]

    def test_a_real_one(self) -> None:
        state = sys.modules[load_runtime().__name__ + ".capi.onnxruntime_pybind11_state"]
        found = needed_libraries(Path(str(state.__file__)))
        assert any(name.startswith("libc.so") for name in found)

    @pytest.mark.parametrize("length", [0, 5, 6, 40, 64, 200, 1000, 4000])
    def test_one_that_is_cut_off_needs_nothing(self, tmp_path: Path, length: int) -> None:
        whole = Path(os.path.realpath(sys.executable)).read_bytes()
        path = tmp_path / "cut.so"
        path.write_bytes(whole[:length])
        assert needed_libraries(path) == []

    def test_what_is_no_library_needs_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.so"
        path.write_bytes(b"#!/bin/sh\n")
        assert needed_libraries(path) == []

    def test_the_missing_ones_are_found_by_loading(self) -> None:
        assert missing_libraries(["libc.so.6", "libcublas.so.none"]) == ["libcublas.so.none"]

    def test_the_gpu_build_tells_its_version_of_cuda(self) -> None:
        if "cuda" not in available_devices():
            pytest.skip("the CPU build of ONNX Runtime is installed")
        folder = folder_of(load_runtime())
        cuda = required_libraries(folder, "cuda")
        tensorrt = required_libraries(folder, "tensorrt")
        assert version_of(cuda, "libcudart").isdecimal()
        assert {"libcudnn.so.9", "libcuda.so.1"} <= set(cuda)
        assert set(cuda) <= set(tensorrt)
        assert version_of(tensorrt, "libnvinfer").isdecimal()

    def test_without_a_gpu_build_only_what_is_always_needed(self, tmp_path: Path) -> None:
        assert required_libraries(tmp_path, "tensorrt") == ["libcudnn.so.9"]

    def test_the_remedies(self) -> None:
        cuda = remedy(["libcublasLt.so.13", "libcudnn.so.9", "libnvinfer.so.10"])
        assert "libcublasLt.so.13, libcudnn.so.9 cannot" in cuda
        assert "pip install 'streamvpr[gpu]'" in cuda
        tensorrt = remedy(["libnvinfer.so.10", "libnvonnxparser.so.10"], "12")
        assert "pip install 'tensorrt-cu12==10.*'" in tensorrt


class TestRequire:
    def test_the_cpu_needs_nothing(self) -> None:
        require(load_runtime(), "cpu")

    @pytest.mark.parametrize("device", ["cuda", "tensorrt"])
    def test_the_cpu_build_says_how_to_change_it(self, device: str) -> None:
        if device in available_devices():
            pytest.skip("the GPU build of ONNX Runtime is installed")
        with pytest.raises(ModelError) as caught:
            open_embedder(device=device)
        assert f"device {device} needs" in str(caught.value)
        assert "pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in str(caught.value)

    @pytest.mark.parametrize("device", ["cuda", "tensorrt"])
    def test_a_session_on_another_device_than_asked_for_is_none(
        self, tiny_model: Path, device: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        if device not in available_devices():
            pytest.skip("the CPU build of ONNX Runtime is installed")
        if has_driver():
            pytest.skip("there may be a GPU here")
        with pytest.raises(ModelError):
            open_session(load_runtime(), tiny_model, device)
        assert capfd.readouterr() == ("", "")

    @needs_compiler
    @pytest.mark.parametrize("device", ["cuda", "tensorrt"])
    def test_a_driver_without_libraries(
        self, compiled: Callable[..., Path], tiny_model: Path, device: str
    ) -> None:
        """The GPU build beside a driver that only says it is one."""
        if device not in available_devices():
            pytest.skip("the CPU build of ONNX Runtime is installed")
        if has_driver():
            pytest.skip("there may be a GPU here")
        driver = compiled("libcuda.so.1", DRIVER, "-DINIT=0")
        code = (
            "from streamvpr import open_embedder, ModelError\n"
            f"try: open_embedder({str(tiny_model)!r}, device={device!r})\n"
            "except ModelError as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LD_LIBRARY_PATH": str(driver.parent)},
        )
        (line,) = done.stdout.splitlines()
        assert line.startswith(f"device {device}")
        assert "pip install '" in line
        assert done.stderr == ""

    def test_auto_says_why_it_is_on_the_cpu(self, tiny_model: Path) -> None:
        if has_driver():
            pytest.skip("there may be a GPU here")
        embedder = open_embedder(str(tiny_model))
        assert (embedder.device, embedder.note) == ("cpu", "no NVIDIA driver here")
        assert open_embedder(str(tiny_model), device="cpu").note == ""


def test_without_onnx_runtime_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from streamvpr import ConfigError, open_embedder\n"
        "try: open_embedder()\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'streamvpr[cpu]'" in done.stdout


class TestQuiet:
    def test_only_lines_of_the_runtime_are_dropped(self, capfd: pytest.CaptureFixture[str]) -> None:
        with without_log():
            os.write(2, b"2026-11-25 12:00:00.1 [W:onnxruntime:Default, a.cc:1 F] no card\n")
            os.write(2, b"somebody else\n")
        os.write(2, b"later\n")
        assert capfd.readouterr() == ("", "somebody else\nlater\n")

    def test_without_a_standard_error(self) -> None:
        code = (
            "import os; os.close(2)\n"
            "from streamvpr.embedding.runtime import load_runtime; load_runtime(); print('ok')"
        )
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=False)
        assert (done.returncode, done.stdout) == (0, b"ok\n")

    def test_prints_are_dropped(self, capsys: pytest.CaptureFixture[str]) -> None:
        with without_prints():
            print("Failed to load libcublas")
        print("kept")
        assert capsys.readouterr().out == "kept\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from a.onnx failed:/onnxruntime_src/"
            "onnxruntime/core/graph/model.cc:256 onnxruntime::Model::Model(onnx::ModelProto&&, "
            "const onnxruntime::ModelOptions&) Unsupported model IR version: 99\n",
            "Unsupported model IR version: 99",
        ),
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions",
            "Got invalid dimensions",
        ),
        ("plain\nsecond", "plain"),
        ("", "ValueError"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_what_is_for_developers_of_the_runtime_is_left_out(text: str, left: Any) -> None:
    assert first_line(ValueError(text)) == left
