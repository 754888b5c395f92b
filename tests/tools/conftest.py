"""The tools are scripts and no package: their folder is where they import each other from."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools"

sys.path.insert(0, str(TOOLS))
