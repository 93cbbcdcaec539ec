"""A file that is replaced while it is read, or between two readings of a disk cache: never a mix.

Both versions have their bytes in the same places, so that nothing about the bytes would tell."""

from __future__ import annotations

import contextlib
import functools
import itertools
from pathlib import Path
from typing import Any

import pytest

import snapengine
from snapengine.errors import SnapError, SourceChanged

from .fault_server import FaultServer, Reply, Request, Served, answer, cut
from .films import Trap, nothing_left, pages

OLD, NEW, LONGER = pages(1), pages(2), pages(2, extra=100)
#: Each kind of validator, of the old version and of the new.
VALIDATORS: dict[str, tuple[dict[str, str | None], dict[str, str | None]]] = {
    "strong": ({"etag": '"1"'}, {"etag": '"2"'}),
    "weak": ({"etag": 'W/"1"'}, {"etag": 'W/"2"'}),
    "modified": (
        {"modified": "Sat, 01 Aug 2026 08:00:00 GMT"},
        {"modified": "Sun, 02 Aug 2026 08:00:00 GMT"},
    ),
    "none": ({}, {}),
}
PAIRS = list(itertools.product(VALIDATORS, repeat=2))
NETWORK: dict[str, Any] = {"allow_private": True, "silence_seconds": 1, "request_seconds": 2}


def version(data: bytes, new: bool, *kinds: str) -> Served:
    validators: dict[str, str | None] = {"etag": None, "modified": None}
    for kind in kinds:
        validators |= VALIDATORS[kind][new]
    return Served(data, **validators)


def look(video: snapengine.Video) -> list[bytes]:
    return [shot.to_ndarray().tobytes() for shot in video.snapshots(count=8)]


@functools.cache
def local(new: bool) -> list[bytes]:
    with snapengine.open(NEW if new else OLD) as video:
        return look(video)


def replace_behind(server: FaultServer, requests: int, new: Served) -> Trap:
    """Let so many be answered out of the old file; ``on`` is asked when an answer is ready."""
    fault = answer(times=1)

    def swap(request: Request, reply: Reply) -> None:
        server.put("/film", new)

    fault.change = swap
    return Trap(server, fault, requests - 1)


def test_the_two_versions_tell_nothing_by_themselves() -> None:
    assert len(OLD) == len(NEW)
    assert all(a != b for a, b in zip(local(False), local(True), strict=True))
    with snapengine.open(OLD) as old, snapengine.open(NEW) as new:
        assert old.info == new.info
    # The index is the same, and the new pictures are sound where the old ones were.
    mixed = OLD[: len(OLD) // 2] + NEW[len(OLD) // 2 :]
    with snapengine.open(mixed) as video:
        got = look(video)
    assert got[0] == local(False)[0]
    assert got[-1] == local(True)[-1]


def is_told(before: str, after: str, longer: bool) -> bool:
    """Whether anything in the answers can show that the file is another one.

    Not told are: no validator at all and the same size; and a weak ETag that the new version has
    none in place of, as it may not stand in If-Range (RFC 9110 section 13.1.5) and servers leave
    ETags out of single answers without meaning anything by it.
    """
    if longer or before in ("strong", "modified"):
        return True  # also where the new one has another kind of validator: If-Range says so
    return before == "weak" and after in ("strong", "weak")


@pytest.mark.parametrize("moment", ["opening", "calling"])
@pytest.mark.parametrize("longer", [False, True], ids=["same-size", "longer"])
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_replaced_in_the_middle(before: str, after: str, longer: bool, moment: str) -> None:
    new = version(LONGER if longer else NEW, True, after)
    got: list[bytes] | None = None
    local(False), local(True)
    with nothing_left(), FaultServer({"/film": version(OLD, False, before)}) as server:
        network = snapengine.Network(**NETWORK)
        if moment == "opening":
            trap = replace_behind(server, 1, new)
        try:
            with snapengine.open(server.url("/film"), network=network) as video:
                if moment == "calling":
                    trap = replace_behind(server, 3, new)
                got = look(video)
        except SourceChanged:
            assert is_told(before, after, longer)
        assert trap.struck.is_set()
    if is_told(before, after, longer):
        assert got is None
    else:
        # Nobody can know. Each picture is one of the two; one that came in two parts would be a
        # mixture in itself, which cannot be told either.
        assert got is not None
        assert got[-1] in (local(False)[-1], local(True)[-1])
        assert got != local(False)


@pytest.mark.parametrize("etag", ["strong", "weak"])
@pytest.mark.parametrize("changed", ["etag", "modified"])
def test_one_of_two_validators_is_enough(etag: str, changed: str) -> None:
    old, new = version(OLD, False, etag, "modified"), version(NEW, True, etag, "modified")
    if changed == "etag":
        new.modified = old.modified
    else:
        new.etag = old.etag
    network = snapengine.Network(**NETWORK)
    with nothing_left(), FaultServer({"/film": old}) as server, contextlib.ExitStack() as stack:
        video = stack.enter_context(snapengine.open(server.url("/film"), network=network))
        server.put("/film", new)
        with pytest.raises(SourceChanged):
            look(video)


@pytest.mark.parametrize("kind", VALIDATORS)
def test_a_changed_file_stays_changed_for_this_video(kind: str) -> None:
    """The error is no accident of one call; a video opened anew shows the new file."""
    local(True)
    with nothing_left(), FaultServer({"/film": version(OLD, False, kind)}) as server:
        network = snapengine.Network(**NETWORK)
        with snapengine.open(server.url("/film"), network=network) as video:
            server.put("/film", version(LONGER, True, kind))
            for _ in range(3):
                with pytest.raises(SourceChanged):
                    look(video)
            with snapengine.open(server.url("/film"), network=network) as again:
                assert look(again) == local(True)


@pytest.mark.parametrize("kind", VALIDATORS)
def test_a_stream_that_breaks_off_goes_on_with_the_same_file_only(kind: str) -> None:
    """Without ranges the file is sent again from its beginning: there its bytes do tell."""
    local(False)
    files = {"/film": version(OLD, False, kind)}
    with nothing_left(), FaultServer(files, ranges=False) as server:
        network = snapengine.Network(**NETWORK, without_ranges="stream")
        breaking = cut("middle", "close", after=200_000)
        cut_off = breaking.change

        def cut_off_and_replace(request: Request, reply: Reply) -> None:
            cut_off(request, reply)
            server.put("/film", version(NEW, True, kind))

        breaking.change = cut_off_and_replace
        server.faults.append(breaking)
        with (
            pytest.raises(SourceChanged),
            snapengine.open(server.url("/film"), network=network) as video,
        ):
            look(video)


# -- the disk cache -------------------------------------------------------------------------------


def seen(server: FaultServer, folder: Path, **options: Any) -> list[bytes]:
    network = snapengine.Network(**{**NETWORK, "cache_folder": folder, **options})
    with snapengine.open(server.url("/film"), network=network) as video:
        return look(video)


@pytest.mark.parametrize("longer", [False, True], ids=["same-size", "longer"])
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_what_is_on_disk_is_of_the_same_file(
    before: str, after: str, longer: bool, tmp_path: Path
) -> None:
    """Even where nothing in the answers tells: the first bytes are compared, too."""
    local(False), local(True)
    with nothing_left(), FaultServer({"/film": version(OLD, False, before)}) as server:
        assert seen(server, tmp_path) == local(False)
        server.put("/film", version(LONGER if longer else NEW, True, after))
        assert seen(server, tmp_path) == local(True)
        server.put("/film", version(OLD, False, before))
        asked = len(server.requests)
        assert seen(server, tmp_path) == local(False)
        if before in ("strong", "modified"):
            assert len(server.requests) == asked + 1, "what was on disk was not used"


@pytest.mark.parametrize("kind", ["strong", "modified"])
def test_the_same_validator_for_other_bytes(kind: str, tmp_path: Path) -> None:
    """A server that lies. Bytes behind the first request are not compared: if those before are the
    same, and the size, this cannot be known."""
    local(False), local(True)
    with nothing_left(), FaultServer({"/film": version(OLD, False, kind)}) as server:
        assert seen(server, tmp_path) == local(False)
        server.put("/film", version(NEW, False, kind))
        assert seen(server, tmp_path) == local(True)
        server.put("/film", version(OLD[:100_000] + NEW[100_000:], False, kind))
        assert seen(server, tmp_path) == local(False)


@pytest.mark.parametrize("kind", ["strong", "modified"])
@pytest.mark.parametrize("behind", [1, 2, 4])
def test_replaced_while_the_cache_is_filled(kind: str, behind: int, tmp_path: Path) -> None:
    local(False), local(True)
    with nothing_left(), FaultServer({"/film": version(OLD, False, kind)}) as server:
        trap = replace_behind(server, behind, version(NEW, True, kind))
        with pytest.raises(SourceChanged):
            seen(server, tmp_path)
        assert trap.struck.is_set()
        assert seen(server, tmp_path) == local(True)
        server.put("/film", version(OLD, False, kind))
        assert seen(server, tmp_path) == local(False)


@pytest.mark.parametrize("act", ["reset", "close", "hang", "drip"])
def test_answers_that_break_off_leave_the_cache_sound(act: Any, tmp_path: Path) -> None:
    local(False)
    quick = {"silence_seconds": 0.1, "retries": 0, "least_rate": 1000}
    with nothing_left(), FaultServer({"/film": version(OLD, False, "strong")}) as server:
        for skip in (0, 1, 3, 5):
            server.faults.clear()
            Trap(server, cut("middle", act, after=1000, times=None), skip)
            with pytest.raises(SnapError):
                seen(server, tmp_path, **quick)
        server.faults.clear()
        assert seen(server, tmp_path) == local(False)
        server.put("/film", version(NEW, True, "strong"))
        assert seen(server, tmp_path) == local(True)


def test_a_cached_head_under_a_server_that_is_gone(tmp_path: Path) -> None:
    """What is on disk is never shown without asking whether it is still the file."""
    local(False)
    with nothing_left(), FaultServer({"/film": version(OLD, False, "strong")}) as server:
        assert seen(server, tmp_path) == local(False)
        server.faults.append(answer(404, body=b"no", times=None))
        with pytest.raises(SnapError):
            seen(server, tmp_path)
