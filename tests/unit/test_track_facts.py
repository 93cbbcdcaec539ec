"""What sample entries and Matroska track entries say: bytes made by hand, and by libavformat."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import snapengine
from snapengine.media.matroska import read_tracks
from snapengine.media.track_facts import (
    NO_FACTS,
    parse_clean_aperture,
    parse_dolby_vision,
    parse_light,
    parse_sample_entries,
    usable_crop,
)
from snapengine.model.color import LightLevels
from snapengine.model.geometry import Crop, Orientation, orientation_of_matrix
from snapengine.model.media import DolbyVision
from snapengine.sources import open_source


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def entry(kind: bytes, *children: bytes, size: tuple[int, int] = (1920, 1080)) -> bytes:
    """A VisualSampleEntry: 24 bytes, width and height, 50 bytes more, then boxes."""
    head = bytes(24) + struct.pack(">HH", *size) + bytes(50)
    return box(kind, head + b"".join(children))


def stsd(*entries: bytes) -> bytes:
    return bytes(4) + struct.pack(">I", len(entries)) + b"".join(entries)


def clap(
    width: tuple[int, int], height: tuple[int, int], x: tuple[int, int], y: tuple[int, int]
) -> bytes:
    return struct.pack(">8i", *width, *height, *x, *y)


# -- ISO BMFF -------------------------------------------------------------------------------


def test_plain_entry_says_nothing() -> None:
    assert parse_sample_entries(stsd(entry(b"avc1", box(b"avcC", bytes(30))))) == NO_FACTS


def test_clean_aperture_is_centred_and_moved_by_its_offset() -> None:
    # 1920x1088 coded, 1080 lines meant: the lowest 8 are padding, so the centre moves up by 4.
    body = clap((1920, 1), (1080, 1), (0, 1), (-4, 1))
    assert parse_clean_aperture(body, 1920, 1088) == Crop(0, 0, 1920, 1080)
    # DV in QuickTime: 704 of 720 columns, in the middle.
    assert parse_clean_aperture(clap((704, 1), (480, 1), (0, 1), (0, 1)), 720, 480) == Crop(
        8, 0, 704, 480
    )
    assert parse_clean_aperture(clap((1407, 2), (480, 1), (1, 2), (0, 1)), 720, 480) == Crop(
        8.75, 0, 703.5, 480
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(32),
        clap((1920, 0), (1080, 1), (0, 1), (0, 1)),
        clap((1920, 1), (1080, 1), (0, 1), (0, 1)),  # takes nothing away
        clap((1922, 1), (1080, 1), (0, 1), (0, 1)),
        clap((1900, 1), (1080, 1), (11, 1), (0, 1)),
        clap((-10, 1), (1080, 1), (0, 1), (0, 1)),
    ],
)
def test_impossible_clean_apertures_are_ignored(body: bytes) -> None:
    assert parse_clean_aperture(body, 1920, 1080) is None


def test_light_levels_of_mdcv_and_clli() -> None:
    mastering = bytes(16) + struct.pack(">II", 10_000_000, 50)
    facts = parse_sample_entries(
        stsd(entry(b"hvc1", box(b"mdcv", mastering), box(b"clli", struct.pack(">HH", 993, 362))))
    )
    assert facts.light == LightLevels(
        mastering_min=0.005, mastering_max=1000, content_max=993, content_average=362
    )
    assert parse_light(bytes(24), bytes(4)) is None
    assert parse_light(None, None) is None


def test_dolby_vision_configuration() -> None:
    # Version 1.0, profile 5, level 6, RPU and base layer present, no compatibility.
    record = bytes((1, 0)) + (5 << 9 | 6 << 3 | 0b101).to_bytes(2, "big") + bytes(20)
    facts = parse_sample_entries(stsd(entry(b"dvh1", box(b"dvcC", record))))
    assert facts.dolby_vision == DolbyVision(profile=5, level=6, compatibility=0)
    record = bytes((1, 0)) + (8 << 9 | 4 << 3 | 0b101).to_bytes(2, "big") + b"\x40" + bytes(19)
    assert parse_dolby_vision(record) == DolbyVision(profile=8, level=4, compatibility=4)
    assert parse_dolby_vision(b"\x01\x00") is None


def test_any_encrypted_entry_counts() -> None:
    clear = entry(b"avc1", box(b"clap", clap((704, 1), (480, 1), (0, 1), (0, 1))), size=(720, 480))
    locked = entry(b"encv", box(b"sinf", box(b"frma", b"avc1")))
    facts = parse_sample_entries(stsd(clear, locked))
    assert facts.encrypted
    assert facts.crop == Crop(8, 0, 704, 480)
    assert not parse_sample_entries(stsd(clear)).encrypted


@given(st.binary(max_size=400))
def test_no_bytes_upset_the_reading_of_entries(data: bytes) -> None:
    parse_sample_entries(data)
    parse_sample_entries(stsd(entry(b"avc1", data)))


def test_crop_must_lie_inside() -> None:
    assert usable_crop(Crop(0, 0, 100, 50), 100, 50) is None
    assert usable_crop(Crop(1, 0, 99, 50), 100, 50) == Crop(1, 0, 99, 50)
    assert usable_crop(Crop(1, 0, 100, 50), 100, 50) is None
    assert usable_crop(Crop(0, 0, 0, 50), 100, 50) is None


# -- Matroska -------------------------------------------------------------------------------


def element(kind: int, body: bytes) -> bytes:
    length = (kind.bit_length() + 7) // 8
    return kind.to_bytes(length, "big") + (len(body) | 1 << 28).to_bytes(4, "big") + body


def number(kind: int, value: int) -> bytes:
    return element(kind, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def real(kind: int, value: float) -> bytes:
    return element(kind, struct.pack(">d", value))


def segment(*tracks: bytes) -> bytes:
    ebml = element(0x1A45DFA3, number(0x4286, 1))
    return ebml + element(0x18538067, element(0x1654AE6B, b"".join(tracks)))


def video_track(*video: bytes, beside: bytes = b"") -> bytes:
    size = number(0xB0, 720) + number(0xBA, 576)
    return element(0xAE, number(0x83, 1) + element(0xE0, size + b"".join(video)) + beside)


def facts_of(*tracks: bytes) -> Any:
    return read_tracks(open_source(segment(*tracks)))


def test_matroska_cropping() -> None:
    crop = number(0x54CC, 8) + number(0x54DD, 8) + number(0x54BB, 2) + number(0x54AA, 4)
    (facts,) = facts_of(video_track(crop))
    assert facts.crop == Crop(8, 2, 704, 570)
    (facts,) = facts_of(video_track(number(0x54CC, 720)))
    assert facts.crop is None


def test_matroska_light_levels_and_dolby_vision() -> None:
    colour = element(
        0x55B0,
        number(0x55BC, 1000)
        + number(0x55BD, 400)
        + element(0x55D0, real(0x55D9, 4000.0) + real(0x55DA, 0.005)),
    )
    record = bytes((1, 0)) + (5 << 9 | 6 << 3).to_bytes(2, "big") + bytes(20)
    mapping = element(
        0x41E4, number(0x41E7, int.from_bytes(b"dvcC", "big")) + element(0x41ED, record)
    )
    audio = element(0xAE, number(0x83, 2))
    (facts,) = facts_of(audio, video_track(colour, beside=mapping))
    assert facts.light == LightLevels(
        mastering_min=0.005, mastering_max=4000, content_max=1000, content_average=400
    )
    assert facts.dolby_vision == DolbyVision(profile=5, level=6, compatibility=0)


def test_matroska_encryption_is_told_from_compression() -> None:
    compressed = element(0x6D80, element(0x6240, number(0x5033, 0)))
    encrypted = element(0x6D80, element(0x6240, number(0x5033, 1)))
    plain, locked = facts_of(video_track(beside=compressed), video_track(beside=encrypted))
    assert (plain.encrypted, locked.encrypted) == (False, True)


@given(st.binary(max_size=300))
def test_no_bytes_upset_the_reading_of_tracks(data: bytes) -> None:
    read_tracks(open_source(segment(video_track(data, beside=data))))
    read_tracks(open_source(segment(data)))
    read_tracks(open_source(data or b"-"))


def _matrix(orientation: Orientation) -> tuple[int, ...]:
    a, b, c, d = {
        0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0),
    }[orientation.rotation]  # fmt: skip
    if orientation.mirror:
        a, b = -a, -b
    one = 1 << 16
    return (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_orientation_survives_the_way_from_mp4_to_matroska(
    rotation: int, mirror: bool, tmp_path: Path
) -> None:
    """The matrix is patched into an MP4, libavformat copies it to Matroska, we read it there."""
    wanted = Orientation(rotation=rotation, mirror=mirror)
    plain, turned, copy = (str(tmp_path / n) for n in ("plain.mp4", "turned.mp4", "copy.mkv"))
    with av.open(plain, "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((72, 64), 90, np.uint8), format="yuv420p")
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = bytearray(Path(plain).read_bytes())
    struct.pack_into(">9i", data, data.find(b"tkhd") + 44, *_matrix(wanted))
    Path(turned).write_bytes(data)
    with av.open(turned) as source, av.open(copy, "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    for path in (turned, copy):
        with snapengine.open(path) as video:
            assert video.info.orientation == wanted, path
            assert (video.info.width, video.info.height) == (
                (48, 64) if wanted.swaps_sides else (64, 48)
            )
    # And what libavformat itself makes of the copy.
    with av.open(copy) as source:
        side: Any = next(source.decode(video=0)).side_data.get("DISPLAYMATRIX")
    found = orientation_of_matrix(struct.unpack("=9i", bytes(side))) if side else Orientation()
    assert found == wanted
