"""Pictures that nothing refers to are passed over, and no sample of any other changes.

Every frame of every stream is asked for alone, so that everything before it may be passed over, and
compared with a full sequential decode.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest

import snapengine
from snapengine.media import decoder
from snapengine.media.bitstream import READERS
from tests.integration.common import check_shot, delivered, total
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build, cache_folder

X265 = (
    "log-level=none:pools=1:frame-threads=1:scenecut=0:keyint={gop}:min-keyint={gop}:"
    "rc-lookahead=20"
)


def hevc(name: str, params: str, *, gop: int = 24, **how: Any) -> Recipe:
    options = (("x265-params", f"{X265.format(gop=gop)}:{params}"),)
    how.setdefault("frames", 60)
    return Recipe(name=f"skip-hevc-{name}", codec="hevc", encoder_options=options, **how)


def av1(name: str, params: str, *, preset: int = 10, gop: int = 32, **how: Any) -> Recipe:
    options = (("preset", str(preset)), ("svtav1-params", f"keyint={gop}:lp=1:{params}"))
    how.setdefault("frames", 60)
    return Recipe(name=f"skip-av1-{name}", codec="av1", encoder_options=options, **how)


PYRAMID = "bframes=4:b-adapt=0:b-pyramid=1:open-gop=0:ref=4"
#: Streams with the share of their packets that holds a picture nothing refers to, at least.
STREAMS: list[tuple[Recipe, float]] = [
    (hevc("pyramid", PYRAMID), 0.5),
    (hevc("opengop", "bframes=4:b-adapt=0:b-pyramid=1:open-gop=1", container="mkv"), 0.5),
    (hevc("adaptive", "bframes=8:b-adapt=2:b-pyramid=1:open-gop=1:weightb=1"), 0.3),
    (hevc("ts", "bframes=3:b-adapt=0:open-gop=1:aud=1", container="ts"), 0.4),
    (hevc("slices", "bframes=3:b-adapt=0:slices=2", height=160, container="ts"), 0.4),
    (hevc("layers2", "bframes=4:b-adapt=0:b-pyramid=1:temporal-layers=2:open-gop=1"), 0.4),
    (hevc("layers3", "bframes=7:b-adapt=0:b-pyramid=1:temporal-layers=3"), 0.4),
    (hevc("layers3-ts", "bframes=4:b-adapt=0:temporal-layers=3:open-gop=1", container="ts"), 0.4),
    (hevc("deep", "bframes=3:b-adapt=0", pix_fmt="yuv420p10le", pattern="vfr"), 0.4),
    (hevc("inband", "bframes=3:b-adapt=0:repeat-headers=1", muxer_options=(
        ("movflags", "frag_keyframe+empty_moov"),)), 0.4),
    (av1("default", "", preset=8), 0.3),
    (av1("levels2", "hierarchical-levels=2"), 0.3),
    (av1("levels5", "hierarchical-levels=5", gop=64, frames=70), 0.3),
    (av1("mkv-vfr", "hierarchical-levels=4", container="mkv", pattern="vfr"), 0.3),
    (av1("lowdelay", "pred-struct=1"), 0.3),
    (av1("grain", "film-grain=30"), 0.3),
    (av1("resize", "resize-mode=1:resize-denom=12"), 0.3),
    (av1("superres", "superres-mode=1:superres-denom=12"), 0.3),
    (av1("tiles", "tile-columns=1:tile-rows=1", width=256, height=160), 0.3),
    (av1("deep", "irefresh-type=1", pix_fmt="yuv420p10le"), 0.3),
    (Recipe(name="skip-mpeg4", codec="mpeg4", bframes=2, gop=24, frames=60), 0.5),
    (Recipe(name="skip-mpeg4-qpel", codec="mpeg4", bframes=3, gop=24, frames=60, container="mkv",
            encoder_options=(("flags", "+qpel+aic+mv4"),)), 0.5),
]  # fmt: skip
by_stream = pytest.mark.parametrize(
    ("made", "share"), STREAMS, ids=lambda v: getattr(v, "name", "")
)


def each_alone(path: Path, at: list[Any]) -> Iterator[Any]:
    with snapengine.open(path) as video:
        for time in at:
            yield video.snapshot(time)


@by_stream
def test_every_frame_alone_is_the_one_of_a_full_decode(
    monkeypatch: pytest.MonkeyPatch, made: Recipe, share: float
) -> None:
    truth = Truth.of(build(made))
    times = [truth.time_of(frame) for frame in truth.frames]
    shots = list(each_alone(truth.path, times))
    for frame, shot in zip(truth.frames, shots, strict=True):
        check_shot(truth, shot, frame)
        assert shot.exact
    assert total(shots, "decode_errors") == 0
    monkeypatch.setattr(decoder, "READERS", {})
    plain = list(each_alone(truth.path, times))
    assert total(plain, "packets_skipped") == 0
    # Less than the share: keyframes and what is wanted weigh more in short runs.
    assert total(shots, "packets_skipped") > 0.4 * share * total(plain, "packets_sent")
    assert total(shots, "retries") == total(plain, "retries")
    assert total(shots, "frames_decoded") < total(plain, "frames_decoded")


@by_stream
def test_passing_over_saves_what_it_says(made: Recipe, share: float) -> None:
    """The share of pictures that need not be decoded, counted over the whole stream."""
    path = build(made)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        reader = READERS[context.codec.canonical_name](context.extradata)
        packets = [p for p in container.demux(video=0) if p.size]
        free = [len(reader.part(memoryview(p))) < p.size for p in packets]
    assert not any(f and p.is_keyframe for f, p in zip(free, packets, strict=True))
    assert sum(free) > share * len(packets)


@by_stream
def test_several_at_once(made: Recipe, share: float) -> None:
    truth = Truth.of(build(made))
    dice = random.Random(made.name)
    for count in (2, 5, 12):
        frames = sorted(dice.sample(range(len(truth.frames)), count))
        with snapengine.open(truth.path) as video:
            shots = list(video.snapshots(at=[truth.time_of(truth.frames[i]) for i in frames]))
        for index, shot in zip(frames, shots, strict=True):
            check_shot(truth, shot, truth.frames[index])


# -- streams that are not what they say ------------------------------------------------------------


def rewritten(
    source: Path, name: str, change: Callable[[int, bytes], bytes], *, in_order: bool = False
) -> Path:
    """The same packets in a new MP4, each run through ``change`` (with its number).

    ``in_order``: they are shown in the order of decoding.
    """
    path = cache_folder() / f"{name}-{source.stem}.mp4"
    with av.open(str(source)) as old, av.open(str(path), "w", format="mp4") as new:
        stream = old.streams.video[0]
        into = new.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in old.demux(stream) if p.size):
            copy: Any = av.Packet(change(number, bytes(packet)))
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            if in_order:
                copy.pts = copy.dts = number * packet.duration
            copy.duration, copy.is_keyframe = packet.duration, packet.is_keyframe
            copy.stream = into
            new.mux_one(copy)
    return path


def test_a_picture_that_is_referred_to_all_the_same() -> None:
    """HEVC with every TRAIL_R called TRAIL_N: passed over, missed, and decoded again with all.

    Nothing worse happens with an encoder that keeps, without using it, what is not for reference.
    """
    source = build(hevc("pyramid", PYRAMID))

    def lie(number: int, data: bytes) -> bytes:
        return data[:4] + b"\x00" + data[5:] if data[4] == 2 else data

    truth = Truth.of(rewritten(source, "skip-lie", lie))
    assert truth.frames[-1].sha1 == Truth.of(source).frames[-1].sha1
    with snapengine.open(truth.path) as video:
        shots = [video.snapshot(truth.time_of(frame)) for frame in truth.frames]
    for frame, shot in zip(truth.frames, shots, strict=True):
        check_shot(truth, shot, frame)
        assert shot.exact
    assert total(shots, "retries") > len(shots) / 2, "what was passed over was not missed"


def test_two_pictures_in_one_packet() -> None:
    """MPEG-4 packed as DivX does: a B-VOP behind the P-VOP it refers to, an empty one later."""
    source = build(Recipe(name="skip-mpeg4-packed", codec="mpeg4", bframes=1, gop=24, frames=60))
    with av.open(str(source)) as container:
        packets = [bytes(p) for p in container.demux(video=0) if p.size]
    kinds = [data[4] >> 6 for data in packets]
    assert kinds.count(2) > 20

    def pack(number: int, data: bytes) -> bytes:
        if number == 0:
            return b"\x00\x00\x01\xb2DivX503b1393p" + data
        if kinds[number] == 2:
            return b"\x00\x00\x01\xb6\x50\x70\x00\x00"  # vop_coded 0
        following = packets[number + 1 : number + 2]
        return data + following[0] if following and kinds[number + 1] == 2 else data

    truth = Truth.of(rewritten(source, "skip-packed", pack, in_order=True))
    plain = {frame.sha1 for frame in Truth.of(source).frames}
    assert sum(frame.sha1 in plain for frame in truth.frames) > 50, "not packed as DivX does"
    # Which of them a player shows when is another matter; that none is spoiled is this one.
    shots = list(each_alone(truth.path, [truth.time_of(frame) for frame in truth.frames]))
    assert all(delivered(truth, shot) for shot in shots)
    assert len({shot.pts for shot in shots}) > 50
    assert total(shots, "packets_skipped") == 0


# -- real files ------------------------------------------------------------------------------------


def _real(path: Path) -> bool:
    wanted = ("hevc_", "av1_", "avi_mpeg4", "single_frame_hevc")
    # A whole sequential decode of six minutes takes longer than everything else here.
    return path.name.startswith(wanted) and "363s" not in path.name


def test_real_files(real_file: Path) -> None:
    truth = Truth.of(real_file)
    dice = random.Random(real_file.name)
    chosen = dice.sample(truth.frames, min(8, len(truth.frames)))
    shots = list(each_alone(real_file, [truth.time_of(frame) for frame in chosen]))
    for frame, shot in zip(chosen, shots, strict=True):
        check_shot(truth, shot, frame)
        assert shot.exact


test_real_files.real_file_wanted = _real  # type: ignore[attr-defined]
