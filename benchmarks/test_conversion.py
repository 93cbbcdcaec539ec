"""Making pictures of 10-bit, HDR and interlaced frames, as a share of decoding them."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.conversion import KINDS, conversion_cost


@pytest.mark.parametrize("kind", KINDS)
def test_thumbnail(suite: Any, kind: str) -> None:
    rounds = suite.rounds(quick=5, full=11)
    for accuracy in ("keyframe", "exact"):
        cost = conversion_cost(kind, accuracy, 320, rounds)
        suite.probe(f"conversion-{accuracy}/{kind}", cost)


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_full_size(suite: Any, kind: str) -> None:
    suite.probe(f"conversion-full-size/{kind}", conversion_cost(kind, "exact", None, 7))
