"""The pages, and the tools that make some of them."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "docs")]
