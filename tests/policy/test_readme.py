"""The README claims nothing that no test proves."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def _claims() -> list[tuple[str, list[str]]]:
    """(what, tests named) of each line of the table of what is supported."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("## What is supported")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return [(row[0], re.findall(r"`(\w+)`", row[1])) for row in rows[2:]]


def test_every_line_of_the_support_table_names_tests_that_exist() -> None:
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M)
    }
    claims = _claims()
    assert len(claims) >= 20
    for what, named in claims:
        assert named, f"{what!r} names no test"
        assert set(named) <= tests, f"{what!r}: no such test: {sorted(set(named) - tests)}"
