"""Runs many broken files through the public verbs, in a process of its own.

``python -m tests.integration.fuzzing TASK NAME`` prints one JSON object: what came of the trials,
the slowest one, the growth of memory, descriptors and threads. A crash, a hang or an exception that
is none of ours ends the process with another status than 0.
"""

from __future__ import annotations

import collections
import gc
import json
import random
import resource
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import snapengine
from snapengine import SnapError
from tests.integration.damaging import BASES, damaged, layout_of
from tests.media.recipes import build

#: Deadline of a call: a file of some ten kilobytes is done in a fraction of it.
LIMITS = snapengine.Limits(deadline_seconds=5)


def use(data: bytes, outcomes: collections.Counter[str]) -> None:
    """Every verb once; counts what came of it."""

    def attempt(verb: Callable[[], Any]) -> None:
        try:
            result = verb()
        except SnapError as error:
            assert str(error)
            outcomes[type(error).__name__] += 1
            return
        marked = result.damaged if hasattr(result, "cells") else result.corrupt or result.replaced
        outcomes["marked" if marked else "picture"] += 1

    try:
        video = snapengine.open(data, threads=1, limits=LIMITS)
    except SnapError as error:
        assert str(error)
        outcomes["open: " + type(error).__name__] += 1
        return
    with video:
        attempt(lambda: video.snapshot(0, width=32))
        attempt(lambda: video.snapshot("50%", width=32))
        attempt(lambda: video.sprite(count=4, cell=(32, 20)))


def truncations(name: str) -> Iterator[bytes]:
    """Cut at every 8th of the first 600 bytes, at 75 places anywhere, and just before the end."""
    data = build(BASES[name]).read_bytes()
    dice = random.Random(name)
    cuts = {*range(0, 600, 8), *(dice.randrange(len(data)) for _ in range(75)), len(data) - 1}
    for cut in sorted(cuts):
        yield data[:cut]


ABSURD = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def iso_lies(name: str) -> Iterator[bytes]:
    """Each 32-bit field of the boxes that say how many, how long, how large, where."""
    data = build(BASES[name]).read_bytes()
    for kind in (b"mvhd", b"tkhd", b"mdhd", b"elst", b"stts", b"ctts", b"stsc", b"stsz", b"stco",
                 b"stss", b"trex", b"tfhd", b"trun", b"sidx", b"avcC", b"avc1"):  # fmt: skip
        at = data.find(kind)
        if at < 0:
            continue
        (size,) = struct.unpack_from(">I", data, at - 4)
        for field in range(at - 4, min(at + size - 4, at + 44), 4):
            for value in ABSURD:
                yield data[:field] + struct.pack(">I", value) + data[field + 4 :]


def byte_lies(name: str) -> Iterator[bytes]:
    """Nonsense in the head, and in the tables at the end: sizes, counts, positions, stamps."""
    data = build(BASES[name]).read_bytes()
    dice = random.Random(name)
    layout = layout_of(name)
    first, last = layout.payload[0][0][0], layout.payload[-1][-1][1]
    places = [*range(4, first), *range(last, len(data))]
    for _ in range(150):
        out = bytearray(data)
        at = dice.choice(places)
        run = dice.choice([1, 2, 4, 8])
        value = dice.choice([b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7, dice.randbytes(8)])
        out[at : at + run] = value[:run]
        yield bytes(out)


def clock_lies(name: str) -> Iterator[bytes]:
    """Transport streams whose PCR and PTS are nonsense (ISO/IEC 13818-1, 2.4.3.5 and 2.4.3.7)."""
    data = build(BASES[name]).read_bytes()
    for seed in range(40):
        dice, out = random.Random(seed), bytearray(data)
        for at in range(0, len(out), 188):
            if out[at + 3] & 32 and out[at + 4] and out[at + 5] & 16 and dice.random() < 0.5:
                out[at + 6 : at + 12] = dice.randbytes(6)
            body = at + 4 + (1 + out[at + 4] if out[at + 3] & 32 else 0)
            if out[at + 1] & 64 and out[body : body + 3] == b"\0\0\1" and dice.random() < 0.3:
                stamp = dice.choice([0, 1 << 32, dice.getrandbits(33)])
                out[body + 9 : body + 14] = bytes(
                    [49 | stamp >> 29 & 14, stamp >> 22 & 255, stamp >> 14 & 255 | 1,
                     stamp >> 7 & 255, stamp << 1 & 255 | 1]
                )  # fmt: skip
        yield bytes(out)


def kinds(name: str) -> Iterator[bytes]:
    """Two hundred files, damaged in every way."""
    for seed in range(40):
        for kind in ("hole", "key", "cut", "flip", "all"):
            yield damaged(name, kind, seed)


TASKS: dict[str, Callable[[str], Iterator[bytes]]] = {
    "truncations": truncations,
    "iso_lies": iso_lies,
    "byte_lies": byte_lies,
    "clock_lies": clock_lies,
    "kinds": kinds,
}


def _resident() -> int:
    """Bytes of this process in memory now."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return _peak()


def _peak() -> int:
    """Bytes of this process in memory at the most; Linux counts kilobytes, macOS bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def main(task: str, name: str) -> None:
    outcomes: collections.Counter[str] = collections.Counter()
    use(build(BASES[name]).read_bytes(), outcomes)  # what is made once has been made
    assert outcomes == {"picture": 3}, outcomes
    outcomes.clear()
    gc.collect()
    base, peak, files, threads = _resident(), _peak(), _descriptors(), threading.active_count()
    slowest, trials, half = 0.0, 0, 0
    trial_files = list(TASKS[task](name))
    for data in trial_files:
        began = time.perf_counter()
        use(data, outcomes)
        slowest = max(slowest, time.perf_counter() - began)
        trials += 1
        if trials == len(trial_files) // 2:
            gc.collect()
            half = _resident()
    gc.collect()
    report = {
        "trials": trials,
        "outcomes": outcomes,
        "slowest_seconds": slowest,
        "peak_growth": _peak() - peak,
        "growth": _resident() - base,
        "growth_second_half": _resident() - half,
        "descriptors": _descriptors() - files,
        "threads": threading.active_count() - threads,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
