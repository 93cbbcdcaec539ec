"""Every real file against the full sequential decode; known traps of single ones by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import snapengine
from snapengine import errors
from tests.conftest import real_files, real_media_folder, required
from tests.integration.common import is_shown
from tests.integration.exactness import SEED, check_accuracies, check_every_order, times_of
from tests.media.oracle import Truth

ENDLESS_BLACK = "av1_1080p60_black_363s.mp4"
UNREADABLE = {
    "audio_only_cover_art.mp3": errors.NoVideoStream,
    "broken_chunk_out_of_range.mp4": errors.UnrecognizedContainer,
    "broken_fuzz_gpac_france.mp4": errors.NoVideoStream,
    "broken_malformed_free_box.mp4": errors.UnrecognizedContainer,
    "broken_truncated_no_moov.mp4": errors.UnrecognizedContainer,
}
NO_FRAME = "broken_invalid_bitstream_vp9.webm"
#: Keyframes that only a damaged stream has cannot be compared one by one.
DAMAGED = ("broken_bitflips", "broken_truncated_faststart", "encrypted")

Known = Callable[[Path], bool]


def decodable(path: Path) -> bool:
    return path.name not in (*UNREADABLE, NO_FRAME, ENDLESS_BLACK)


def real(name: str) -> Path:
    path = real_media_folder() / name
    if path not in real_files():
        message = f"{name} is not in {real_media_folder()} (see SNAPENGINE_MEDIA)"
        if required("media"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def test_real_file_in_every_order(real_file: Path) -> None:
    truth = Truth.of(real_file)
    cost = sum(f.width * f.height for f in truth.frames[:1]) * len(truth.frames)
    if cost < 12_000_000:
        check_every_order(truth, times_of(truth))
    else:  # large pictures, long groups: the same times, but not all of them three times
        check_every_order(truth, times_of(truth), back=10, alone=4)
    if not real_file.name.startswith(DAMAGED):
        check_accuracies(truth, count=6 if cost < 12_000_000 else 2)


test_real_file_in_every_order.real_file_wanted = decodable  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_is_a_clear_error(name: str) -> None:
    path = real(name)
    with pytest.raises(UNREADABLE[name]) as caught:
        snapengine.open(path)
    assert path.name in str(caught.value)


def test_file_without_one_good_frame_says_so() -> None:
    with snapengine.open(real(NO_FRAME)) as video, pytest.raises(errors.NoFrameAtTarget):
        video.snapshot(0.5)


def test_six_minutes_of_black() -> None:
    """Too dear to decode whole: the packets tell the stamps, and every picture is black."""
    path = real(ENDLESS_BLACK)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = Fraction(stream.time_base or 1)
        stamps = sorted(p.pts for p in container.demux(stream) if p.size and p.pts is not None)
    dice = random.Random(SEED)
    times = [Fraction(repr(dice.uniform(0, 362))) for _ in range(4)]
    with snapengine.open(path) as video:
        for time, shot in zip(times, video.snapshots(at=times), strict=True):
            assert shot.pts == max(s for s in stamps if (s - stamps[0]) * base <= time)
            assert shot.exact
            assert all(len(np.unique(plane)) == 1 for plane in shot.planes)


def test_second_track_of_a_motion_photo_film() -> None:
    path = real("hevc_8bit_vfr_rotate270_topshots.mp4")
    with snapengine.open(path) as video:
        assert video.info.video_streams == 2
    for number in (0, 1):
        truth = Truth.of(path, number)
        check_every_order(
            truth, times_of(truth, places=3, chance=8), stream=number, back=6, alone=3
        )


def test_broadcast_cut_inside_a_group_of_fields() -> None:
    """The first keyframe comes late, and the depth of reordering is learned too late for the
    second picture behind it: a player never shows that one."""
    truth = Truth.of(real("ts_h264_1080i25_broadcast.ts"))
    at = truth.time_of(truth.frames[0]) + Fraction(66, 1000)
    for threads in (1, 2):
        with snapengine.open(truth.path, threads=threads) as video:
            for time in (at, truth.end / 2, at, Fraction(0), at):
                shot = video.snapshot(time)
                assert is_shown(truth, shot, truth.shown_at(time)), f"{float(time)}: {shot!r}"
                assert shot.exact


def test_encrypted_pictures_are_never_called_exact() -> None:
    """Half of the file is noise to whom has no key. What decodes of it says that it is none."""
    path = real("encrypted_cenc_then_clear.mp4")
    with snapengine.open(path) as video:
        assert video.info.encrypted
        for number in range(40):
            time = number / 10
            for accuracy in ("exact", "keyframe"):
                try:
                    shot = video.snapshot(time, accuracy=accuracy)
                except errors.NoFrameAtTarget:
                    continue
                assert shot.corrupt or not shot.exact or shot.replaced or shot.time >= 2, (
                    f"{accuracy} at {time}: {shot!r}"
                )
