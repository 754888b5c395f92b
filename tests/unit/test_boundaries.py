"""Who may import and use what, read from the source and not from what happens to run."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[2] / "streamvpr"

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))))


def imported(module: str) -> set[str]:
    """Top-level names of what a module imports anywhere in it, and full names of its own kind."""
    found: set[str] = set()
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            found |= {
                str(a.value).split(".")[0] for a in node.args[:1] if isinstance(a, ast.Constant)
            }
    return found


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def attributes(module: str) -> Iterator[tuple[str, str]]:
    """`owner.name` as pairs, where the owner is a plain name."""
    for node in nodes(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


def test_there_is_something_to_look_at() -> None:
    assert {"cli.py", "sources/opening.py", "embedding/runtime.py"} <= set(MODULES)
    assert "numpy" in imported("database.py")
    assert ("cv2", "findHomography") in set(attributes("geometry/homography.py"))


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        (
            "av",
            {
                "sources/container.py",
                "sources/data_track.py",
                "sources/hardware.py",
                "sources/jpeg.py",
                "sources/opening.py",
                "sources/picture.py",
                "sources/reach.py",
                "sources/web.py",
                "media.py",
            },
        ),
        ("onnxruntime", {"embedding/runtime.py", "export/halving.py", "export/quantising.py"}),
        ("faiss", {"hamming.py"}),
        ("threadpoolctl", {"cli.py"}),
        ("ray", {"cluster/connection.py"}),
        ("starlette", {f"web/{name}.py" for name in ("application", "events", "guard", "server")}),
        ("uvicorn", {"web/server.py"}),
        ("prometheus_client", {"web/metrics.py"}),
        ("paho", {"sinks/mqtt.py"}),
        ("http", {"sinks/poster.py", "sources/redirect.py", "web/guard.py"}),
        ("rerun", {module for module in MODULES if module.startswith("sinks/rerun")}),
        ("yaml", {"geometry/camera_file.py"}),
        ("matplotlib", {"sinks/plot.py", "export/pictures.py"}),
        ("torch", {module for module in MODULES if module.startswith("export/")}),
        ("torchvision", {module for module in MODULES if module.startswith("export/")}),
        ("onnx", {module for module in MODULES if module.startswith("export/")}),
    ],
)
def test_a_library_is_imported_in_its_own_modules_only(library: str, allowed: set[str]) -> None:
    assert {module for module in MODULES if library in imported(module)} <= allowed


def test_the_web_is_asked_by_two_modules_only() -> None:
    users = {
        module
        for module in MODULES
        for node in nodes(module)
        if (isinstance(node, ast.ImportFrom) and node.module == "urllib.request")
        or (isinstance(node, ast.Import) and "urllib.request" in {a.name for a in node.names})
    }
    assert users == {"sinks/poster.py", "sources/redirect.py"}


def test_what_comes_from_outside_is_opened_with_av_in_one_module_only() -> None:
    openers = {module for module in MODULES if ("av", "open") in set(attributes(module))}
    assert openers == {"sources/opening.py", "media.py"}


FEATURE_SIDE = {
    "BFMatcher",
    "BFMatcher_create",
    "FlannBasedMatcher",
    "ORB",
    "ORB_create",
    "SIFT",
    "SIFT_create",
    "UsacParams",
    "decomposeEssentialMat",
    "decomposeHomographyMat",
    "findEssentialMat",
    "findFundamentalMat",
    "findHomography",
}


def test_features_and_geometry_are_used_by_the_verifier_only() -> None:
    users = {
        module
        for module in MODULES
        for owner, name in attributes(module)
        if owner == "cv2" and name in FEATURE_SIDE
    }
    users |= {
        module
        for module in MODULES
        for node in nodes(module)
        if isinstance(node, ast.ImportFrom) and node.module == "cv2"
    }
    assert users
    assert {user.partition("/")[0] for user in users} <= {"features", "geometry"}


PROGRAM = {"cli.py", "execution.py", "__main__.py"}
LIBRARY = [module for module in MODULES if module not in PROGRAM]


@pytest.mark.parametrize("module", LIBRARY)
def test_library_code_neither_prints_nor_exits(module: str) -> None:
    calls = [node for node in nodes(module) if isinstance(node, ast.Call)]
    plain = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    assert not plain & {"print", "exit", "quit", "input", "breakpoint"}
    used = set(attributes(module))
    assert not used & {("sys", "exit"), ("os", "_exit"), ("os", "abort")}
    assert not used & {("sys", "stdout"), ("sys", "stderr")}
    assert not [n for n in nodes(module) if isinstance(n, ast.Name) and n.id == "SystemExit"]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_swallowed_without_a_name(module: str) -> None:
    handlers = [node for node in nodes(module) if isinstance(node, ast.ExceptHandler)]
    assert not [handler.lineno for handler in handlers if handler.type is None]


def test_the_pure_parts_know_nothing_of_video_models_or_event_loops() -> None:
    pure = {"database.py", "matching.py", "sampler.py", "frames.py", "evaluation.py", "records.py"}
    pure |= {"calibration.py", "views.py"}
    for module in pure:
        assert not imported(module) & {"asyncio", "cv2", "av", "threading", "logging"}, module


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, streamvpr, streamvpr.cli;"
        "heavy = {'matplotlib', 'onnxruntime', 'onnx', 'paho', 'ray', 'rerun', 'torch', 'yaml'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.split() == []
    assert done.stderr == ""
