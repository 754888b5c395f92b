"""Builders of the values that travel through the pipeline, with the fields a test does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streamvpr.frames import (
    Candidate,
    Decision,
    Described,
    Features,
    Keyframe,
    Place,
    Verdict,
    Verification,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def _keyframe(index: int = 0, **fields: Any) -> Keyframe:
    known = {"stream": "cam", "time": index / 2, "path": "cam.mp4", "width": 640, "height": 480}
    return Keyframe(index=index, **{**known, **fields})


def _features(count: int = 0) -> Features:
    return Features(np.zeros((count, 2), np.float32), np.zeros((count, 32), np.uint8), 1.0)


def _described(index: int, descriptor: Any = None, **fields: Any) -> Described:
    array = None if descriptor is None else np.asarray(descriptor, np.float32)
    return Described(_keyframe(index, **fields), array, _features())


def _candidate(index: int = 0, score: float = 0.9, **fields: Any) -> Candidate:
    known = {
        "stream": "cam",
        "time": index / 2,
        "path": "cam.mp4",
        "width": 640,
        "features": _features(),
        "thumbnail": None,
    }
    return Candidate(Place(index=index, **{**known, **fields}), score=score)


def _decision(query: int = 40, match: int | Candidate | None = 3, **fields: Any) -> Decision:
    known = {
        "verdict": Verdict.ACCEPTED,
        "match": _candidate(match) if isinstance(match, int) else match,
        "verification": Verification(
            matches=80, inliers=52, needed=20, overlap=0.75, homography=np.eye(3)
        ),
        "confidence": 0.97,
        "loop_id": 0,
    }
    return Decision(query=fields.pop("keyframe", _keyframe(query)), **{**known, **fields})


@pytest.fixture(scope="session")
def make_keyframe() -> Callable[..., Keyframe]:
    return _keyframe


@pytest.fixture(scope="session")
def make_described() -> Callable[..., Described]:
    return _described


@pytest.fixture(scope="session")
def make_candidate() -> Callable[..., Candidate]:
    return _candidate


@pytest.fixture(scope="session")
def make_decision() -> Callable[..., Decision]:
    return _decision
