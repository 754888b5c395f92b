"""Pictures that a page holds itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from streamvpr.encoded import decode
from streamvpr.report.file import read_if_there

if TYPE_CHECKING:
    from pathlib import Path

# Photographs are shown so wide at most; 200 of them are some 15 MB.
MOST_WIDTH = 1000
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as an address that holds it, and its size in pixels."""

    url: str
    width: int
    height: int


def read_photograph(path: Path) -> Picture | None:
    """A JPEG, made smaller where it is large; None where there is none, or where it is damaged.

    Raises StoreError.
    """
    content = read_if_there(path)
    pixels = None if content is None else decode(content)
    if content is None or pixels is None:
        return None
    width = min(MOST_WIDTH, pixels.shape[1])
    height = max(1, round(width * pixels.shape[0] / pixels.shape[1]))
    smaller = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return Picture(_url("jpeg", bytes(encoded)), width, height)


def read_drawing(path: Path) -> Picture | None:
    """A PNG as it is; None as of a photograph. Raises StoreError."""
    content = read_if_there(path)
    pixels = None if content is None else decode(content)
    if content is None or pixels is None:
        return None
    return Picture(_url("png", content), pixels.shape[1], pixels.shape[0])


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
