"""The labelled set: what share of the choices a person would accept.

All real clips and a fixed quarter of the generated videos, so that it stays quick;
``python -m benchmarks.covers`` judges all of it, beside other tools.
"""

from __future__ import annotations

import pytest

import snapengine
from tests.conftest import required
from tests.media import cover_judge, cover_set

EVERY = 4


def _chosen(held_out: bool) -> list[str]:
    part = sorted((n, v.clip) for n, v in cover_set.labels().items() if v.held_out is held_out)
    drawn = [name for name, clip in part if not clip]
    return [name for name, clip in part if clip] + drawn[::EVERY]


@pytest.mark.parametrize("held_out", [False, True], ids=["tuned", "set aside"])
def test_the_set_is_judged_as_promised(held_out: bool) -> None:
    absent = set(cover_set.missing())
    if absent and required("media"):
        pytest.fail(f"SNAPENGINE_REQUIRE names media: {len(absent)} videos are missing")
    names = [name for name in _chosen(held_out) if name not in absent]
    first, three, failures = 0, 0, []
    for name in names:
        path = cover_set.path(name)
        with snapengine.open(path) as video:
            covers = video.covers(count=3)
        verdict = cover_judge.judge(
            cover_set.labels()[name],
            cover_judge.film(path),
            [(c.time, c.to_ndarray()) for c in covers],
        )
        first += verdict.first_good
        three += verdict.passed
        if not verdict.passed:
            failures.append((name, [(c.time, c.reasons) for c in covers], verdict.spans))
    assert first >= 0.95 * len(names), failures
    assert three >= 0.90 * len(names), failures
