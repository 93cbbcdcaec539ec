"""WebVTT thumbnail tracks, read back by a parser that knows nothing of the writer."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapengine.errors import InvalidOption, InvalidTime
from snapengine.model.result import Cue
from snapengine.outputs.webvtt import webvtt

TIMING = re.compile(
    r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"
)
PAYLOAD = re.compile(r"(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)")


def cue(start: Any, end: Any, page: int = 0, x: int = 0, y: int = 0) -> Cue:
    return Cue(start=start, end=end, time=start, page=page, x=x, y=y, width=160, height=90)


def parsed(text: str) -> list[tuple[int, int, str, tuple[int, ...]]]:
    """(start ms, end ms, URL, xywh) of each cue; fails on what is not a thumbnail track."""
    header, *blocks = text.split("\n\n")
    assert header == "WEBVTT"
    cues = []
    for block in blocks:
        timing, payload = block.strip("\n").split("\n")
        times = TIMING.fullmatch(timing)
        target = PAYLOAD.fullmatch(payload)
        assert times, timing
        assert target, payload
        h, m, s, ms, h2, m2, s2, ms2 = map(int, times.groups())
        start, end = ((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        url, *rect = target.groups()
        cues.append((start, end, url, tuple(map(int, rect))))
    return cues


def test_exact_text() -> None:
    text = webvtt(
        [cue(0, 5), cue(5, 10, x=162), cue(10.0, 3725.0065, page=1, y=92)], ["a.jpg", "b.jpg"]
    )
    assert text == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:05.000\na.jpg#xywh=0,0,160,90\n\n"
        "00:00:05.000 --> 00:00:10.000\na.jpg#xywh=162,0,160,90\n\n"
        "00:00:10.000 --> 01:02:05.006\nb.jpg#xywh=0,92,160,90\n"
    )


def test_no_cues_is_still_a_track() -> None:
    assert webvtt([], []) == "WEBVTT\n"


@given(
    st.lists(st.floats(0, 400), min_size=2, max_size=40)
    | st.lists(st.floats(0, 0.01), min_size=2, max_size=40)
    | st.lists(st.fractions(0, 10**5), min_size=2, max_size=40)
)
def test_consecutive_cues_touch_and_none_is_empty(times: list[Any]) -> None:
    times.sort()
    seen = parsed(webvtt([cue(a, b) for a, b in pairwise(times)], ["a.jpg"]))
    assert len(seen) == len(times) - 1
    assert all(start < end for start, end, *_ in seen)
    assert all(a[1] == b[0] for a, b in pairwise(seen))
    if all(b - a >= 0.002 for a, b in pairwise(times)):
        for (start, end, *_), a, b in zip(seen, times, times[1:], strict=False):
            assert abs(start - a * 1000) <= 0.5 + 1e-6
            assert abs(end - b * 1000) <= 0.5 + 1e-6


@given(st.integers(2, 100), st.floats(0.01, 60))
def test_accumulated_float_error_leaves_no_gap(count: int, step: float) -> None:
    total, cues = 0.0, []
    for index in range(count):
        cues.append(cue(index * step, total + step))  # two ways to the same time
        total += step
    seen = parsed(webvtt(cues, ["a.jpg"]))
    assert all(a[1] == b[0] for a, b in pairwise(seen))


def test_real_gaps_stay_and_overlaps_are_cut() -> None:
    seen = parsed(webvtt([cue(0, 3), cue(5, 9), cue(7, 10)], ["a.jpg"]))
    assert [c[:2] for c in seen] == [(0, 3000), (5000, 7000), (7000, 10000)]


def test_less_than_a_millisecond_is_no_gap() -> None:
    seen = parsed(webvtt([cue(0, 1.0004), cue(1.0009, 2), cue(2.001, 3)], ["a.jpg"]))
    assert [c[:2] for c in seen] == [(0, 1001), (1001, 2000), (2001, 3000)]


def test_rounding_never_writes_sixty_seconds() -> None:
    seen = webvtt([cue(0, 59.9996), cue(59.9996, 3599.9999)], ["a.jpg"])
    assert "00:00:00.000 --> 00:01:00.000" in seen
    assert "00:01:00.000 --> 01:00:00.000" in seen


def test_last_cue_of_no_length_gets_a_millisecond() -> None:
    assert [c[:2] for c in parsed(webvtt([cue(4, 4)], ["a.jpg"]))] == [(4000, 4001)]


def test_cues_come_in_order_of_start() -> None:
    seen = parsed(webvtt([cue(5, 10, x=2), cue(0, 5, x=1)], ["a.jpg"]))
    assert [(c[0], c[3][0]) for c in seen] == [(0, 1), (5000, 2)]


def test_hundred_hours() -> None:
    assert "100:00:00.000 --> 100:00:05.000" in webvtt([cue(360000, 360005)], ["a.jpg"])


@pytest.mark.parametrize(
    "name", ["a b.jpg", "50%.jpg", "a#b?c.jpg", "é日.jpg", "a:b.jpg", "x-->y.jpg", "q\n\nx.jpg"]
)
def test_any_name_resolves_to_itself(name: str) -> None:
    (_, _, url, rect) = parsed(webvtt([cue(0, 1)], [name]))[0]
    assert url.isascii()
    assert "-->" not in url
    target = urlsplit(urljoin("https://cdn.example/v/thumbs.vtt", url))
    assert unquote(target.path) == f"/v/{name}"
    assert not target.query
    assert target.netloc == "cdn.example"
    assert rect == (0, 0, 160, 90)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("", "s/a%20b.jpg"),
        ("sprites", "sprites/s/a%20b.jpg"),
        ("sprites/", "sprites/s/a%20b.jpg"),
        ("/", "/s/a%20b.jpg"),
        ("https://cdn.example", "https://cdn.example/s/a%20b.jpg"),
        ("https://cdn.example/v/", "https://cdn.example/v/s/a%20b.jpg"),
        ("https://cdn.example/{name}?sig=1&x=2", "https://cdn.example/s/a%20b.jpg?sig=1&x=2"),
    ],
)
def test_base(base: str, url: str) -> None:
    assert parsed(webvtt([cue(0, 1)], ["s/a b.jpg"], base=base))[0][2] == url


@pytest.mark.parametrize("base", ["a b", "x\n\ny", "https://x/#", "a-->b", "x\t"])
def test_unusable_base(base: str) -> None:
    with pytest.raises(InvalidOption, match="base") as caught:
        webvtt([], [], base=base)
    assert repr(base) in str(caught.value)


@pytest.mark.parametrize("name", ["", "/a.jpg", "//evil.example/a.jpg"])
def test_unusable_name(name: str) -> None:
    with pytest.raises(InvalidOption, match="page name"):
        webvtt([cue(0, 1)], [name])


@pytest.mark.parametrize("page", [-1, 2])
def test_page_without_a_name(page: int) -> None:
    with pytest.raises(InvalidOption, match=f"page {page} of 2"):
        webvtt([cue(0, 1, page=page)], ["a.jpg", "b.jpg"])


@pytest.mark.parametrize(("start", "end"), [(2, 1), (-1, 1), (0, float("nan")), (float("inf"), 1)])
def test_impossible_times(start: float, end: float) -> None:
    with pytest.raises(InvalidTime):
        webvtt([cue(start, end)], ["a.jpg"])


def test_cue_is_a_value() -> None:
    one = cue(Fraction(1, 3), 1)
    assert one == cue(Fraction(1, 3), 1)
    assert list(Cue.__slots__) == [
        "start", "end", "time", "page", "x", "y", "width", "height",
    ]  # fmt: skip
    with pytest.raises(AttributeError):
        one.page = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        Cue(0, 1, 0, 0, 0, 0, 1, 1)  # type: ignore[call-arg]
