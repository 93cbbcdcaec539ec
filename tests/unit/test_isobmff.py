"""The look into MP4 headers: hand-made boxes, damage at every byte, and libavformat's own view."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapengine.media.isobmff import IsoHeader, VideoTrack, read_header
from snapengine.model.geometry import UPRIGHT, Orientation
from snapengine.sources import LocalSource, MemorySource, SourceReader
from tests.media.atlas import GEOMETRY, SHORT, STREAMS, recipe
from tests.media.recipes import build

EIGHT = [Orientation(rotation=r, mirror=m) for r in (0, 90, 180, 270) for m in (False, True)]
ISO = [r.name for r in (*STREAMS, *SHORT, *GEOMETRY) if r.container in ("mp4", "mov")]


def box(kind: bytes, body: bytes = b"", *, size: int | None = None, wide: bool = False) -> bytes:
    """``size`` replaces the true one; ``wide`` writes it in 64 bits."""
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16 if size is None else size) + body
    return struct.pack(">I4s", len(body) + 8 if size is None else size, kind) + body


def matrix_of(orientation: Orientation) -> tuple[int, ...]:
    """The display matrix, by numpy: mirror x, then turn clockwise (y points down)."""
    angle = np.deg2rad(orientation.rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    both = turn @ np.diag([-1.0 if orientation.mirror else 1.0, 1.0])
    (a, c), (b, d) = np.rint(both * 65536).astype(int).tolist()
    return (a, b, 0, c, d, 0, 0, 0, 1 << 30)


def header_box(kind: bytes, before: int, matrix: Sequence[int], version: int = 0) -> bytes:
    """tkhd or mvhd: ``before`` bytes of fields after version and flags, then the matrix."""
    return box(kind, bytes([version, 0, 0, 1]) + bytes(before) + struct.pack(">9i", *matrix))


def tkhd(orientation: Orientation = UPRIGHT, version: int = 0) -> bytes:
    # times, id, reserved, duration (32 or 64 bits), reserved, layer, group, volume, reserved
    return header_box(b"tkhd", (32 if version else 20) + 16, matrix_of(orientation), version)


def mvhd(orientation: Orientation = UPRIGHT, version: int = 0) -> bytes:
    # times, timescale, duration, rate, volume, reserved
    return header_box(b"mvhd", (28 if version else 16) + 16, matrix_of(orientation), version)


def ctts(runs: Sequence[tuple[int, int]], *, count: int | None = None) -> bytes:
    entries = b"".join(struct.pack(">Ii", n, offset) for n, offset in runs)
    return box(b"ctts", struct.pack(">II", 0, len(runs) if count is None else count) + entries)


def elst(entries: Sequence[tuple[int, int]], version: int = 0) -> bytes:
    one = struct.Struct(">qqi" if version else ">iii")
    body = b"".join(one.pack(length, time, 1 << 16) for length, time in entries)
    return box(b"edts", box(b"elst", struct.pack(">B3xI", version, len(entries)) + body))


def trak(kind: bytes, *, head: bytes = b"", table: bytes = b"", edits: bytes = b"",
         wide: bool = False) -> bytes:  # fmt: skip
    handler = box(b"hdlr", bytes(8) + kind + bytes(12) + b"name\0")
    stbl = box(b"minf", box(b"stbl", box(b"stsd", bytes(8)) + table))
    return box(b"trak", head + edits + box(b"mdia", handler + stbl), wide=wide)


FTYP = box(b"ftyp", b"isom" + bytes(4) + b"isommp41")
MDAT = box(b"mdat", bytes(50))
VIDEO, SOUND = trak(b"vide", head=tkhd()), trak(b"soun", head=tkhd())


def read(data: bytes) -> IsoHeader | None:
    return read_header(MemorySource(data))


def movie(*traks: bytes, head: bytes = b"") -> bytes:
    return FTYP + box(b"moov", (head or mvhd()) + b"".join(traks)) + MDAT


def track(data: bytes) -> VideoTrack:
    header = read(data)
    assert header is not None
    (found,) = header.tracks
    return found


def patched(data: bytes) -> bytes:
    header = read(data)
    assert header is not None
    return SourceReader(MemorySource(data), patches=header.patches).read()


# -- hiding tracks --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [b"soun", b"text", b"tmcd", b"sbtl", b"hint", b"meta"])
@pytest.mark.parametrize("wide", [False, True])
def test_tracks_that_are_not_video_read_as_free_space(kind: bytes, wide: bool) -> None:
    other = trak(kind, head=tkhd(), wide=wide)
    for order in ((VIDEO, other), (other, VIDEO), (other, VIDEO, other)):
        data = movie(*order)
        shown = patched(data)
        assert len(shown) == len(data)
        assert shown.count(b"trak") == 1
        assert shown.count(b"free") == len(order) - 1
        assert VIDEO in shown
        hidden = other[:4] + b"free" + other[8:]
        assert shown == data.replace(other, hidden)


def test_nothing_is_hidden_where_it_could_matter() -> None:
    for data, tracks, fragmented in (
        (movie(VIDEO), 1, False),
        (movie(SOUND), 0, False),  # what libavformat says of a file without video is its own
        (movie(SOUND, VIDEO, box(b"mvex", box(b"trex", bytes(24)))), 1, True),
        (movie(box(b"mvex"), SOUND, VIDEO), 1, True),
        (movie(VIDEO, box(b"trak", tkhd())), 1, False),  # no handler: who knows
    ):
        header = read(data)
        assert header is not None
        assert header.patches == ()
        assert (len(header.tracks), header.fragmented) == (tracks, fragmented)


def test_boxes_anywhere_and_of_any_size_field() -> None:
    moov = mvhd() + VIDEO + SOUND
    plain = read(FTYP + box(b"moov", moov))
    assert plain is not None and len(plain.patches) == 1
    for data in (
        FTYP + MDAT + box(b"free", bytes(9)) + box(b"moov", moov),
        FTYP + box(b"mdat", bytes(70), wide=True) + box(b"moov", moov, wide=True),
        FTYP + box(b"moov", moov, size=0),  # to the end of the file
        FTYP + box(b"moov", moov, size=len(moov) + 999),  # beyond it
        box(b"moov", moov) + MDAT,
        box(b"wide") + box(b"mdat", bytes(3)) + box(b"moov", moov),
    ):
        header = read(data)
        assert header is not None
        assert len(header.tracks) == 1
        ((offset, word),) = header.patches
        assert word == b"free"
        assert data[offset : offset + 4] == b"trak"
        assert b"soun" in data[offset : offset + len(SOUND)]


def test_a_last_box_inside_may_reach_to_the_end() -> None:
    last = struct.pack(">I", 0) + SOUND[4:]
    data = FTYP + box(b"moov", mvhd() + VIDEO + last)
    header = read(data)
    assert header is not None
    assert [o for o, _ in header.patches] == [data.rindex(b"trak")]


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\x1a\x45\xdf\xa3" + bytes(30),
        b"RIFF" + bytes(40),
        FTYP,
        FTYP + MDAT,
        FTYP + box(b"moov", VIDEO, size=4),  # smaller than itself
        FTYP + box(b"mdat", bytes(20), size=7) + box(b"moov", VIDEO),
        FTYP + box(b"free", wide=True, size=15) + box(b"moov", VIDEO),
    ],
)
def test_not_plain_is_none(data: bytes) -> None:
    assert read(data) is None


def test_a_source_of_unknown_size_is_left_alone() -> None:
    class Endless(MemorySource):
        @property
        def size(self) -> int | None:
            return None

    assert read(movie(VIDEO)) is not None
    assert read_header(Endless(movie(VIDEO))) is None


def test_the_walk_ends() -> None:
    assert read(FTYP + box(b"free") * 5000 + movie(VIDEO)[len(FTYP) :]) is None
    assert read(FTYP + box(b"free") * 3000 + movie(VIDEO)[len(FTYP) :]) is not None


# -- orientation ----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("orientation", EIGHT, ids=repr)
def test_track_matrix(orientation: Orientation, version: int) -> None:
    data = movie(trak(b"vide", head=tkhd(orientation, version)), head=mvhd(UPRIGHT, version))
    assert track(data).facts.orientation == orientation


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("first", "then"), list(itertools.product(EIGHT, EIGHT)))
def test_movie_matrix_comes_after(first: Orientation, then: Orientation, version: int) -> None:
    samples = np.arange(6).reshape(2, 3)
    both = movie(trak(b"vide", head=tkhd(first)), head=mvhd(then, version))
    found = track(both).facts.orientation
    assert np.array_equal(turned(samples, found), turned(turned(samples, first), then))


def turned(samples: np.ndarray, orientation: Orientation) -> np.ndarray:
    if orientation.mirror:
        samples = np.fliplr(samples)
    return np.rot90(samples, -orientation.rotation // 90)


def test_no_header_is_upright() -> None:
    assert track(movie(trak(b"vide"))).facts.orientation == UPRIGHT
    turn = Orientation(rotation=90)
    assert track(FTYP + box(b"moov", trak(b"vide", head=tkhd(turn)))).facts.orientation == turn


# -- composition offsets --------------------------------------------------------------------


RUN = st.tuples(st.integers(1, 9), st.integers(-(1 << 31), (1 << 31) - 1))


@settings(max_examples=80)
@given(runs=st.lists(RUN, min_size=1, max_size=12))
def test_offsets_of_runs_are_those_of_the_samples(runs: list[tuple[int, int]]) -> None:
    data = movie(trak(b"vide", table=box(b"stts", bytes(8)) + ctts(runs)))
    offsets = track(data).composition_offsets(MemorySource(data))
    assert offsets is not None
    expanded = [offset for n, offset in runs for _ in range(n)]
    assert [offsets[i] for i in range(len(expanded))] == expanded
    assert offsets[len(expanded)] == 0
    assert offsets.ends[-1] == len(expanded)


def test_no_offsets_without_a_table() -> None:
    data = movie(VIDEO)
    assert track(data).composition_offsets(MemorySource(data)) is None


def test_a_table_that_claims_too_much_holds_what_it_holds() -> None:
    data = movie(trak(b"vide", table=ctts([(2, 5), (3, 7)], count=1 << 31)))
    offsets = track(data).composition_offsets(MemorySource(data))
    assert offsets is not None
    assert [offsets[i] for i in range(6)] == [5, 5, 7, 7, 7, 0]


@pytest.mark.parametrize("body", [b"", bytes(4), bytes(7)])
def test_a_stunted_table_is_none(body: bytes) -> None:
    data = movie(trak(b"vide", table=box(b"ctts", body)))
    assert track(data).composition_offsets(MemorySource(data)) is None


# -- edits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("entries", "edits"),
    [
        ([(100, 0)], 1),
        ([(100, 512)], 1),
        ([(40, -1), (100, 0)], 1),  # an empty edit only delays
        ([(40, -1)], 0),
        ([], 0),
        ([(10, 0), (10, 50), (10, 0)], 3),
        ([(1, i) for i in range(2000)], 1024),
    ],
)
def test_edits_that_play_are_counted(
    entries: list[tuple[int, int]], edits: int, version: int
) -> None:
    assert track(movie(trak(b"vide", edits=elst(entries, version)))).edits == edits


def test_no_edit_list_plays_once() -> None:
    assert track(movie(VIDEO)).edits == 1


# -- damage ---------------------------------------------------------------------------------

FULL = movie(
    trak(b"soun", head=tkhd(), wide=True),
    trak(b"vide", head=tkhd(Orientation(rotation=90), 1), table=ctts([(3, 5), (2, -1)])),
    head=mvhd(Orientation(rotation=180), 1),
)
#: The edit list behind everything else.
WITH_EDITS = movie(SOUND, box(b"trak", VIDEO[8:] + elst([(4, -1), (9, 3)])))[: -len(MDAT)]


def check_sane(data: bytes, header: IsoHeader | None) -> None:
    if header is None:
        return
    for offset, word in header.patches:
        assert data[offset : offset + len(word)] in (b"trak", b"trak"[: len(data) - offset])
    assert header.tracks or not header.patches


def test_cut_off_at_every_byte() -> None:
    found = 0
    for length in range(1, len(FULL)):
        header = read(FULL[:length])
        check_sane(FULL[:length], header)
        found += header is not None and bool(header.tracks)
    assert 0 < found < len(FULL)


def test_an_edit_list_cut_off_at_every_byte() -> None:
    for length in range(1, len(WITH_EDITS)):
        check_sane(WITH_EDITS[:length], read(WITH_EDITS[:length]))


@settings(max_examples=150)
@given(flips=st.lists(st.tuples(st.integers(0, len(FULL) - 1), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_never_raise(flips: list[tuple[int, int]]) -> None:
    data = bytearray(FULL)
    for place, value in flips:
        data[place] = value
    check_sane(bytes(data), read(bytes(data)))


@settings(max_examples=150)
@given(body=st.binary(max_size=300), kind=st.sampled_from([b"ftyp", b"moov", b"mdat", b"free"]))
def test_noise_never_raises(body: bytes, kind: bytes) -> None:
    check_sane(box(kind, body), read(box(kind, body)))
    data = FTYP + box(b"moov", box(b"trak", box(b"mdia", body)) + box(kind, body))
    check_sane(data, read(data))


# -- what libavformat makes of it -----------------------------------------------------------


@pytest.mark.parametrize("name", ISO)
def test_generated_files_are_understood(name: str) -> None:
    path = build(recipe(name))
    header = read_header(LocalSource(path))
    assert header is not None
    with av.open(str(path)) as container:
        assert len(header.tracks) == len(container.streams.video)
        others = len(container.streams) - len(container.streams.video)
        assert len(header.patches) == others
        frame = next(container.decode(video=0))
    (found,) = header.tracks
    # FFmpeg counts counter-clockwise.
    assert found.facts.orientation == Orientation(rotation=-frame.rotation % 360)
    assert header.fragmented == ("fragmented" in name)


@pytest.mark.parametrize("name", ["audio-longer-mp4"])
def test_the_video_is_the_same_without_its_sound(name: str) -> None:
    path = build(recipe(name))
    source = LocalSource(path)
    header = read_header(source)
    assert header is not None and header.patches

    def packets(patches: Sequence[tuple[int, bytes]]) -> tuple[int, list[tuple[object, ...]]]:
        with av.open(SourceReader(source, patches=patches)) as container:
            return len(container.streams), [
                (p.pts, p.dts, p.duration, p.is_keyframe, bytes(p))
                for p in container.demux(video=0)
            ]

    whole, alone = packets(()), packets(header.patches)
    assert (whole[0], alone[0]) == (2, 1)
    assert whole[1] == alone[1]
    assert len(alone[1]) > 20


@pytest.mark.parametrize("name", [n for n in ISO if recipe(n).bframes and "fragmented" not in n])
def test_offsets_are_those_of_the_packets(name: str) -> None:
    path = build(recipe(name))
    source = LocalSource(path)
    header = read_header(source)
    assert header is not None
    offsets = header.tracks[0].composition_offsets(source)
    assert offsets is not None
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert int(offsets.ends[-1]) == len(packets)
    # libavformat moves all dts by the same, so that none is later than its pts.
    shifts = {p.pts - p.dts - offsets[i] for i, p in enumerate(packets)}
    assert len(shifts) == 1
    assert len({offsets[i] for i in range(len(packets))}) > 1


def test_an_edit_list_of_a_real_muxer() -> None:
    header = read_header(LocalSource(build(recipe("h264-mp4-trimmed"))))
    assert header is not None
    assert header.tracks[0].edits == 1
    with av.open(str(build(recipe("h264-mp4-trimmed")))) as container:
        assert Fraction(container.streams.video[0].time_base) > 0
        assert any(p.is_discard for p in container.demux(video=0))
