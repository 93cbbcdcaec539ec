"""Dolby Vision profile 5 has no base layer that other players understand: it is recognised, shown
in nearly the right colours, and never without a warning."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest

import snapengine
from snapengine.errors import PictureWarning
from tests.media.atlas import recipe
from tests.media.recipes import build
from tests.reference.boxes import grown

PROFILE_5 = bytes((1, 0)) + (5 << 9 | 6 << 3 | 0b101).to_bytes(2, "big") + bytes(20)
PROFILE_8_1 = bytes((1, 0)) + (8 << 9 | 6 << 3 | 0b101).to_bytes(2, "big") + b"\x10" + bytes(19)


def tagged(record: bytes, *, neutral: bool = False) -> bytes:
    """A 10-bit HEVC file whose sample entry holds a Dolby Vision configuration record."""
    plain = recipe("hevc-mp4-10bit")
    if neutral:
        plain = dataclasses.replace(plain, name="hevc-mp4-10bit-neutral", neutral=True)
    data = build(plain).read_bytes()
    box = struct.pack(">I4s", 8 + len(record), b"dvcC") + record
    return grown(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1"), box)


def test_profile_5_is_told_and_warned_of() -> None:
    with (
        pytest.warns(PictureWarning, match="Dolby Vision profile 5"),
        snapengine.open(tagged(PROFILE_5)) as video,
    ):
        info = video.info
        assert (info.dolby_vision and info.dolby_vision.profile) == 5
        assert (info.color.matrix, info.color.transfer, info.color.range) == (
            "ipt-c2", "smpte2084", "full",
        )  # fmt: skip
        assert info.is_hdr
        assert any("Dolby Vision" in warning for warning in info.warnings)
        shot = video.snapshot(0, width=80)
    assert shot.exact
    with snapengine.open(tagged(PROFILE_8_1)) as video:
        plain = video.snapshot(0, width=80)
    assert not np.array_equal(shot.to_ndarray(), plain.to_ndarray())


def test_profile_5_grey_stays_grey() -> None:
    """Read as Y'CbCr, neutral IPT has the wrong brightness and colours turn green or purple; in its
    own space the neutral axis is grey."""
    with (
        pytest.warns(PictureWarning),
        snapengine.open(tagged(PROFILE_5, neutral=True)) as video,
    ):
        shot = video.snapshot(0)
    rgb = shot.to_ndarray().astype(int)
    assert np.ptp(rgb) > 60  # there is a picture
    assert np.ptp(rgb, axis=2).max() <= 6


def test_other_profiles_are_shown_by_their_base_layer(recwarn: pytest.WarningsRecorder) -> None:
    with snapengine.open(tagged(PROFILE_8_1)) as video:
        assert video.info.dolby_vision is not None
        assert video.info.dolby_vision.compatibility == 1
        assert video.info.color.matrix != "ipt-c2"
        assert video.info.warnings == ()
    assert not recwarn.list


def test_command_line_warns_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from snapengine.cli import main

    path = tmp_path / "p5.mp4"
    path.write_bytes(tagged(PROFILE_5))
    assert main(["snapshot", str(path), "--at", "0", "-o", str(tmp_path / "a.png")]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("snapengine: warning: ")
    assert "Dolby Vision profile 5" in error
