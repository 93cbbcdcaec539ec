"""Truncated, lying and endless files: every call ends, in bounded time and memory, and says why."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import snapengine
from snapengine import Limits
from snapengine.errors import LimitExceeded, MediaError
from tests.integration.damaging import damaged, layout_of, noise, zeros
from tests.media.recipes import Recipe, build

ROOT = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20

TRIALS = [
    *[("truncations", n) for n in ("mp4", "mp4-last", "mkv", "webm", "ts", "avi", "flv")],
    ("iso_lies", "mp4"),
    ("iso_lies", "mp4-fragments"),
    *[("byte_lies", n) for n in ("mkv", "webm", "avi", "flv")],
    ("clock_lies", "ts"),
    *[("kinds", n) for n in ("mp4", "mkv", "ts", "webm")],
]


@pytest.mark.parametrize(("task", "name"), TRIALS, ids=lambda v: v)
def test_broken_files_by_the_hundred(task: str, name: str) -> None:
    """In a process of its own: a crash there is a failure here. Nothing is printed, nothing stays.

    A fragment may claim any number of samples without holding them; libavformat makes room for them
    all, which no option of its bounds. The service therefore decodes in processes that have a limit
    of memory; here the most that was seen is kept from growing.
    """
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.integration.fuzzing", task, name],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stderr == ""
    report = json.loads(run.stdout)
    assert run.stdout.count("\n") == 1
    assert report["trials"] >= 40
    assert report["outcomes"].get("picture", 0) > 0, "some of them are whole enough"
    assert set(report["outcomes"]) != {"picture"}, "some of them are not"
    assert report["slowest_seconds"] < 20
    fragments = (task, name) == ("iso_lies", "mp4-fragments")
    assert report["peak_growth"] < (2048 if fragments else 96) * MEGABYTE
    assert report["growth_second_half"] < 24 * MEGABYTE, "memory grows with the number of files"
    assert report["descriptors"] <= 0
    assert report["threads"] <= 0


# --- limits --------------------------------------------------------------------------------------

VERBS: dict[str, Callable[[Any], Any]] = {
    "snapshot": lambda video: video.snapshot(3.55),
    "snapshots": lambda video: list(video.snapshots(interval=0.1, width=32)),
    "sprite": lambda video: video.sprite(count=20, cell=(32, 20), accuracy="exact"),
}


@functools.cache
def sources() -> dict[str, bytes]:
    mp4 = layout_of("mp4")
    return {
        "whole mp4": mp4.data,
        "whole ts": layout_of("ts").data,
        "hole": zeros(mp4.data, mp4.payload[30][0][0], mp4.payload[80][0][0]),
        "mkv keyframe": damaged("mkv", "key"),
        "all noise": noise(mp4.data, mp4.spans(range(100)), random.Random(1)),
    }


def check_limit(error: LimitExceeded, name: str, allowed: Any) -> None:
    assert error.context["limit"] == name
    assert error.context["allowed"] == allowed
    assert error.context["seen"] >= allowed
    assert f"{allowed}" in str(error)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("source", ["whole mp4", "whole ts", "hole", "mkv keyframe"])
def test_packets(source: str, verb: str) -> None:
    data = sources()[source]
    with snapengine.open(data, limits=Limits(max_packets=7)) as video:
        with pytest.raises(LimitExceeded) as caught:
            VERBS[verb](video)
        check_limit(caught.value, "max_packets", 7)
        assert caught.value.context["seen"] == 8, "checked at every packet"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("source", ["whole mp4", "whole ts", "hole", "mkv keyframe", "all noise"])
def test_time(source: str, verb: str) -> None:
    """Times of a call, not of the video: an opened one goes on to serve calls."""
    data = sources()[source]
    with snapengine.open(data, limits=Limits(deadline_seconds=30)) as video:
        guard = Limits(deadline_seconds=1e-6)
        video._session.limits = guard
        for demuxer in video._session._idle:
            demuxer._limits = demuxer._guard.limits = guard
        for _ in range(2):
            with pytest.raises(LimitExceeded) as caught:
                VERBS[verb](video)
            check_limit(caught.value, "deadline_seconds", 1e-6)


@pytest.mark.parametrize("limit", ["max_bytes_read", "deadline_seconds"])
def test_opening_is_limited_too(limit: str) -> None:
    allowed: Any = 50 if limit == "max_bytes_read" else 1e-6
    with pytest.raises(LimitExceeded) as caught:
        snapengine.open(long_film("ts").read_bytes(), limits=Limits(**{limit: allowed}))
    check_limit(caught.value, limit, allowed)


def test_bytes() -> None:
    """libavformat reads 32 KiB at a time, so the file must be larger than that by far."""
    data = long_film("mp4").read_bytes()
    with snapengine.open(data, limits=Limits(max_bytes_read=150_000)) as video:
        with pytest.raises(LimitExceeded) as caught:
            list(video.snapshots(count=40, width=32))
        check_limit(caught.value, "max_bytes_read", 150_000)
        assert caught.value.context["seen"] < 300_000
        assert video.snapshot(0.5, width=32).exact, "the next call begins to count anew"


def test_pixels() -> None:
    for data in (sources()["whole mp4"], sources()["hole"]):
        with pytest.raises(LimitExceeded) as caught:
            snapengine.open(data, limits=Limits(max_pixels=160 * 96 - 1))
        check_limit(caught.value, "max_pixels", 160 * 96 - 1)
        with snapengine.open(data, limits=Limits(max_pixels=160 * 96)) as video:
            assert video.snapshot(0).exact


def test_a_size_that_lies_in_the_header() -> None:
    """The bitstream says the true one, and that is what the pictures have."""
    data = bytearray(sources()["whole mp4"])
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    data[at : at + 4] = b"\xff\xff\xff\xff"
    try:
        with snapengine.open(bytes(data)) as video:
            assert video.snapshot(0).to_ndarray().shape == (96, 160, 3)
    except LimitExceeded as error:
        check_limit(error, "max_pixels", Limits().max_pixels)


# --- what does not end by itself -----------------------------------------------------------------


def long_film(container: str) -> Path:
    """Four thousand frames, a keyframe every tenth."""
    return build(
        Recipe(name=f"hostile-{container}", container=container, frames=100, gop=10, repeat=40)
    )


@functools.cache
def destroyed(container: str) -> bytes:
    """Nothing but the first keyframe is left."""
    import av

    path = long_film(container)
    data, at, spans = path.read_bytes(), 0, []
    with av.open(str(path)) as opened:
        for packet in opened.demux(opened.streams.video[0]):
            if packet.size:
                at = data.index(bytes(packet), at)
                spans.append((at, at + packet.size))
                at += packet.size
    return noise(data, spans[1:], random.Random(container))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_one_keyframe_and_then_nothing(container: str) -> None:
    """Without any limit set a picture of a destroyed stretch takes as long as reading the file."""
    with snapengine.open(destroyed(container), threads=1) as video:
        assert video.snapshot(0).exact
        began = time.perf_counter()
        shot = video.snapshot("90%")
        assert time.perf_counter() - began < 20
        assert shot.replaced and not shot.exact and shot.time == 0
        assert shot.stats.packets_read < 16 * 4000


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_search_for_something_near_obeys_the_deadline(container: str) -> None:
    with snapengine.open(
        destroyed(container), threads=1, limits=Limits(deadline_seconds=0.3)
    ) as video:
        began = time.perf_counter()
        try:
            video.sprite(count=100, cell=(32, 20))
        except (LimitExceeded, MediaError) as error:
            assert "0.3" in str(error) or not isinstance(error, LimitExceeded)
        assert time.perf_counter() - began < 5


def test_hundreds_of_targets_in_a_destroyed_film_are_bounded_by_packets() -> None:
    limits = Limits(max_packets=20_000)
    with snapengine.open(destroyed("mkv"), threads=1, limits=limits) as video:
        try:
            sheet = video.sprite(count=300, cell=(32, 20))
        except LimitExceeded as error:
            check_limit(error, "max_packets", 20_000)
        else:
            assert sheet.stats.packets_read <= 20_000
            assert len(sheet.damaged) >= 290


# --- what damage may cost ------------------------------------------------------------------------

#: Where the zeros are, as shares of the packets' bytes; something is left at the start.
HOLES = {"tail": (0.6, 1.0), "middle": (0.25, 0.75), "all": (0.01, 1.0)}
#: Of the film.
PACKETS = 4000


@functools.cache
def hollow(container: str, hole: str) -> bytes:
    """A film as large as they go, zeros in place of a share of its packets. Its index is whole."""
    codec: str = "h264"
    options: tuple[tuple[str, str], ...] = (("crf", "32"),)
    if container == "avi":
        codec, options = "mpeg4", (("qmin", "7"), ("qmax", "31"))
    path = build(
        Recipe(
            name=f"hollow-{container}", codec=codec, container=container, frames=100, gop=10,
            repeat=40, width=320, height=180, encoder_options=options,
        )
    )  # fmt: skip
    data = path.read_bytes()
    assert len(data) > 3 * MEGABYTE, "libavformat would get over a hole in no time"
    first, last = 3000, len(data)
    if container == "mp4":
        first, last = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    elif container == "avi":
        first, last = data.index(b"movi") + 4, data.rindex(b"idx1")
    elif container == "mkv":
        last = data.rindex(bytes.fromhex("1c53bb6b"))  # Cues
    start, stop = (first + int((last - first) * share) for share in HOLES[hole])
    return zeros(data, start, stop)


@pytest.mark.parametrize("hole", HOLES)
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "avi"])
def test_damage_is_read_a_few_times_at_most(container: str, hole: str) -> None:
    """However many pictures are asked for: neither packets nor bytes grow with their number."""
    data = hollow(container, hole)
    asked: dict[str, Callable[[Any], Any]] = {
        "sprite": lambda video: video.sprite(count=100, cell=(32, 20)),
        "exact sprite": lambda video: video.sprite(count=100, cell=(32, 20), accuracy="exact"),
        "snapshots": lambda video: list(video.snapshots(count=20, width=32)).pop(),
    }
    for verb, ask in asked.items():
        with snapengine.open(data) as video:
            stats = ask(video).stats
        assert stats.packets_read <= 4 * PACKETS, verb
        assert stats.bytes_read <= 8 * len(data), verb


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts", "avi"])
def test_what_is_remembered_of_a_hole_changes_no_answer(container: str) -> None:
    data = hollow(container, "middle")
    dice = random.Random(container)
    times = [dice.uniform(a, b) for a, b in ((0, 160), (30, 45), (115, 125)) for _ in range(4)]

    def told(shot: snapengine.Snapshot) -> tuple[Any, ...]:
        return shot.pts, shot.exact, shot.corrupt, bytes(shot.jpeg())

    alone = []
    for at in times:
        with snapengine.open(data) as video:
            alone.append(told(video.snapshot(at, width=64)))
    with snapengine.open(data) as video:
        for _ in range(2):
            for number in dice.sample(range(len(times)), len(times)):
                shot = video.snapshot(times[number], width=64)
                assert told(shot) == alone[number], f"{times[number]}: {shot!r}"
