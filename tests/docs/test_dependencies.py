"""Every dependency has bounds on both sides, and stands in the page about them."""

from __future__ import annotations

import re
import tomllib

import pytest
from pages import ROOT, read, rows

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ALL = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
RUNTIME = [
    *PROJECT["dependencies"],
    *(one for name, extra in EXTRAS.items() if name not in ("test", "check") for one in extra),
]


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=]", requirement)[0].lower()


@pytest.mark.parametrize("requirement", ALL)
def test_a_dependency_has_a_lowest_and_a_highest_version(requirement: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]+(\[[a-z,]+\])?>=[0-9.]+,<[0-9]+", requirement)


def test_the_page_names_what_a_user_installs_and_no_more() -> None:
    named = {row.strip("`") for row in rows(read("docs/dependencies.md")) if row.startswith("`")}
    assert named == {name_of(requirement) for requirement in RUNTIME}
