"""Retrievers by words, measured in small."""

from __future__ import annotations

import pytest
import retriever_speed


def test_each_retriever_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert retriever_speed.main(["--places", "30", "hashbow", "hbst", "dbow", "bow"]) == 0
    said = capsys.readouterr().out
    rows = [line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")][2:]
    assert [row[0].strip() for row in rows] == ["hashbow", "hbst", "dbow", "bow"]
    for row in rows:
        figures = [float(cell.replace(",", "")) for cell in row[1:]]
        assert 0 <= figures[0] <= figures[1]
        assert 0 <= figures[2] <= figures[3] < 1000
        assert figures[4] > 1000


def test_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        retriever_speed.main(["nothing"])
