"""How soon a fresh process is of use."""

from __future__ import annotations

from typing import Any

from benchmarks import probes


def test_import(suite: Any) -> None:
    suite.probe("import", probes.import_time(rounds=9))


def test_command_line(suite: Any) -> None:
    path = suite.file("h264-1080p-12min").path
    suite.probe("command-line", probes.cold_command_line(path, rounds=suite.rounds(7, 11)))
