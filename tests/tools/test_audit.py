"""What the tool says of licences and known vulnerabilities."""

from __future__ import annotations

import json
from typing import Any

import audit
import pytest

KNOWN = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}


def printed(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


def test_a_known_vulnerability_is_told_with_what_mends_it() -> None:
    found = audit.read_audit(
        printed(
            {"name": "one", "version": "1.0", "vulns": [KNOWN]},
            {"name": "two", "version": "2.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
            {"name": "three", "version": "3.0", "vulns": []},
            {"name": "four", "skip_reason": "not found"},
        )
    )
    assert found is not None
    assert (found.audited, found.skipped) == (3, 1)
    assert found.known == (
        "one 1.0: PYSEC-1 (mended in 1.1)",
        "two 2.0: PYSEC-2 (mended in no version)",
    )
    assert audit.summary(found, "").splitlines()[1:] == list(found.known)


def test_an_index_that_knows_nothing_is_told_as_that() -> None:
    found = audit.read_audit(printed({"name": "one", "skip_reason": "not found"}))
    assert found is not None
    assert audit.summary(found, "").startswith("not audited")


@pytest.mark.parametrize(("said", "told"), [("a\nno route\n", "no route"), ("", "said nothing")])
def test_an_index_that_is_not_reached_is_told_as_that(said: str, told: str) -> None:
    assert audit.read_audit("") is None
    assert told in audit.summary(None, said)
