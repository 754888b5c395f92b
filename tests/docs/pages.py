"""The pages as tests look at them: their links, headings, blocks and tables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PAGES = sorted(
    [
        ROOT / name
        for name in (
            "README.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "CHANGELOG.md",
            "models/README.md",
        )
    ]
    + list((ROOT / "docs").glob("*.md"))
)


def read(name: str) -> str:
    """The text of a page, by its name from the project's root."""
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without what it quotes: neither fenced nor indented blocks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def anchors(text: str) -> set[str]:
    """What links may name after a #, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def links(text: str) -> list[str]:
    """Where a page leads, pictures too."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))


def named(text: str) -> set[str]:
    """All that stands between backticks and could be the name of a field."""
    return set(re.findall(r"`([a-z_0-9]+)`", text))


def rows(text: str) -> list[str]:
    """First cells of the rows of all tables."""
    return re.findall(r"^\| (.*?) \|", text, re.MULTILINE)


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level, up to the next."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, heading
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """What stands in fences of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Lines of indented blocks that are typed, with those that they go on in."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    joined = re.sub(r" \\\n +", " ", text)
    return [
        line[4:] for line in joined.splitlines() if re.match(r" {4}([A-Z]+=|[a-z.])[^─]*$", line)
    ]
