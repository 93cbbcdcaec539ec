"""The corpus file as it is and with its index in front, and what of it a job cannot do without."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import CorpusFile, _table, _write
from benchmarks.jobs import CoverJob, SnapshotsJob, SpriteJob
from benchmarks.limit import _runs

__all__ = ["Needed", "index_last", "moov_first", "needed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Needed:
    """Bytes no way around: ``index`` (the moov box) and ``packets``, so many of them.

    For exact frames the packets are those given to a decoder: from the keyframe to the wanted frame
    in decode order, those nobody refers to included, because no index says which these are.
    """

    index: int
    packets: int
    count: int

    @property
    def bytes(self) -> int:
        return self.index + self.packets


def needed(file: CorpusFile, job: CoverJob | SpriteJob | SnapshotsJob) -> Needed:
    """From the boxes of the file and the packet table PyAV made of it; nothing of the engine."""
    table = file.table
    times = (job.at,) if isinstance(job, CoverJob) else job.times
    accuracy = "exact" if isinstance(job, SnapshotsJob) else "keyframe"
    chosen: set[int] = set()
    for run in _runs(table, times, accuracy):
        if accuracy == "exact":
            chosen.update(range(run.first, run.last + 1))
        else:
            chosen.add(run.first)
    index = next(size for kind, _, size in _boxes(file.path) if kind == b"moov")
    packets = int(table.size[sorted(chosen)].sum())
    return Needed(index=index, packets=packets, count=len(chosen))


def index_last(file: CorpusFile) -> bool:
    kinds = [kind for kind, _, _ in _boxes(file.path)]
    return kinds.index(b"moov") > kinds.index(b"mdat")


def moov_first(file: CorpusFile) -> CorpusFile:
    """The same packets with the index in front of them, made once, kept beside the corpus file."""
    path = file.path.with_name(f"{file.path.stem}.moov-first{file.path.suffix}")
    if not path.exists():
        _write(path, lambda part: _remux(file.path, part))
    made = replace(file, path=path)
    table = _table(path)
    assert not index_last(made), "the index is not in front"
    for name in ("pts", "dts", "key", "size"):
        same = np.array_equal(getattr(table, name), getattr(file.table, name))
        assert same, f"{name} changed on the way"
    return made


def _remux(path: Path, part: Path) -> None:
    import av

    with (
        av.open(str(path)) as source,
        av.open(str(part), "w", options={"movflags": "faststart"}) as out,
    ):
        target: dict[int, Any] = {}
        for stream in source.streams:
            target[stream.index] = out.add_stream_from_template(stream, opaque=True)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = target[packet.stream.index]
                out.mux(packet)


def _boxes(path: Path) -> list[tuple[bytes, int, int]]:
    """Kind, offset and size of the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    found, at, end = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= end:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                (size,) = struct.unpack(">Q", file.read(8))
            size = size or end - at
            found.append((kind, at, size))
            at += size
    return found
