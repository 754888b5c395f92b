"""Maps of made-up places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streamvpr.maps import MapModel, MapWriter, NewSession, open_writer

from .made import MODEL, made_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., MapWriter]:
    """Begin a session of the map."""

    def open_session(
        name: str | None = None, *, path: Path | None = None, model: MapModel = MODEL
    ) -> MapWriter:
        return open_writer(path or tmp_path / "campus.vpr", model, NewSession({"seed": 0}, name))

    return open_session


@pytest.fixture
def fill(begin: Callable[..., MapWriter]) -> Callable[..., None]:
    """A session of so many places of a stream."""

    def add(name: str, count: int, *, first: int = 0, stream: str = "cam", **options: Any) -> None:
        writer = begin(name, **options)
        for index in range(first, first + count):
            writer.add(made_place(index, stream=stream))
        writer.close()

    return add
