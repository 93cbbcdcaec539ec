"""Interlaced files: each picture shows its first field's instant, at the times of the file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import snapengine
from tests.reference import resize
from tests.unit.test_deinterlace import HEIGHT, WIDTH, discs, pan, psnr, teeth, texture, woven

FRAMES = 6

#: Name, encoder, its options, suffix, pixel format, which field comes first.
KINDS = [
    ("h264-tff", "libx264", {"crf": "8", "x264-params": "tff=1:threads=1:keyint=4"}, "mp4",
     "yuv420p", "top"),
    ("h264-bff", "libx264", {"crf": "8", "x264-params": "bff=1:threads=1:keyint=4"}, "mkv",
     "yuv420p", "bottom"),
    ("h264-tff-ts", "libx264", {"crf": "8", "x264-params": "tff=1:threads=1:keyint=4:bframes=0"},
     "ts", "yuv422p10le", "top"),
    # PyAV has no way to say "top field first" to this encoder.
    ("mpeg2-bff", "mpeg2video", {"qmin": "1", "qmax": "2", "flags": "+ildct+ilme"}, "ts",
     "yuv420p", "bottom"),
]  # fmt: skip


def write(path: Path, kind: Any, scene: Any) -> None:
    _, encoder, options, _, pix_fmt, order = kind
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(encoder, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = Fraction(1, 25)
        stream.codec_context.gop_size = 4
        if encoder == "mpeg2video":
            stream.codec_context.flags |= 0x20040000  # interlaced DCT and motion estimation
        for number in range(FRAMES):
            frame = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
            luma = 16 + woven(scene, 2 * number, order) * (219 / 255)
            deep = frame.format.components[0].bits - 8
            for index, plane in enumerate(frame.planes):
                values = np.full((plane.height, plane.width), 128.0) if index else luma
                coded = np.rint(values * (1 << deep)).astype(np.uint16 if deep else np.uint8)
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                raw = coded.view(np.uint8).reshape(plane.height, -1)
                rows[:, : raw.shape[1]] = raw
                plane.update(rows.tobytes())
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture(scope="module", params=KINDS, ids=lambda k: k[0])
def files(request: Any, tmp_path_factory: Any) -> tuple[Any, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("interlaced")
    paths = {}
    for scene in (pan, discs, still):
        paths[scene.__name__] = folder / f"{scene.__name__}.{request.param[3]}"
        write(paths[scene.__name__], request.param, scene)
    return request.param, paths


def still(time: float) -> np.ndarray:
    """A progressive picture in a stream that is called interlaced."""
    return np.asarray(30 + 200 * texture(8, WIDTH, HEIGHT, 0.3))


def luma_of(shot: Any) -> np.ndarray:
    return shot.to_ndarray()[..., 1].astype(np.float64)


@pytest.mark.parametrize("scene", [pan, discs], ids=lambda s: s.__name__)
def test_the_first_field_is_shown_at_the_frame_time(files: Any, scene: Any) -> None:
    path = files[1][scene.__name__]
    with snapengine.open(path) as video:
        shots = list(video.snapshots(at=[n / 25 for n in range(FRAMES)]))
        raw = list(video.snapshots(at=[n / 25 for n in range(FRAMES)], deinterlace=False))
    assert [shot.time for shot in shots] == [n / 25 for n in range(FRAMES)]
    for number, (shot, woven_shot) in enumerate(zip(shots, raw, strict=True)):
        assert shot.exact
        truth = scene(2 * number)
        picture, combs = luma_of(shot), luma_of(woven_shot)
        assert psnr(picture, truth) > 35
        assert psnr(picture, truth) > psnr(combs, truth) + 8
        assert teeth(picture) < teeth(truth) + 0.1 + 0.05 * teeth(combs) < teeth(combs)
        # The other instant is not what is shown.
        assert psnr(picture, truth) > psnr(picture, scene(2 * number + 1)) + 8


@pytest.mark.parametrize("cell", [(192, 144), (64, 48), (32, 24)])
def test_sprite_cells_have_no_ghosts(files: Any, cell: tuple[int, int]) -> None:
    with snapengine.open(files[1]["discs"]) as video:
        sheet = video.sprite(at=[n / 25 for n in range(FRAMES)], cell=cell, columns=3, rows=2)
        ghosts = video.sprite(
            at=[n / 25 for n in range(FRAMES)], cell=cell, columns=3, rows=2, deinterlace=False
        )
    page, woven_page = (s.pages[0].to_ndarray()[..., 1] for s in (sheet, ghosts))
    for cue in sheet.cues:
        truth = discs(2 * round(float(cue.time) * 25))
        want = resize.resample(truth, (0, WIDTH, cell[0]), (0, HEIGHT, cell[1]))
        place = np.s_[cue.y : cue.y + cell[1], cue.x : cue.x + cell[0]]
        assert psnr(page[place], want) > 36
        assert psnr(page[place], want) > psnr(woven_page[place], want) + 4


def test_progressive_pictures_in_interlaced_streams_are_untouched(files: Any) -> None:
    with snapengine.open(files[1]["still"]) as video:
        for options in ({}, {"width": WIDTH // 2}):
            shot = video.snapshot(0.08, **options)
            plain = video.snapshot(0.08, deinterlace=False, **options)
            assert np.array_equal(shot.to_ndarray(), plain.to_ndarray())
        small = [
            video.snapshot(0.08, width=WIDTH // 6, deinterlace=flag).to_ndarray()
            for flag in (True, False)
        ]
    assert psnr(small[0], small[1]) > 40  # one field alone


def test_samples_are_the_decoders_whatever_is_shown(files: Any) -> None:
    """``planes`` of a full-size shot are the file's own, both fields of them."""
    path = files[1]["discs"]
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert all(frame.interlaced_frame for frame in frames)
    with snapengine.open(path) as video:
        shot = video.snapshot(0.12)
    want = frames[3].to_ndarray()[:HEIGHT] if "10" not in frames[3].format.name else None
    if want is not None:
        assert np.array_equal(shot.planes[0], want[:, :WIDTH])
    else:
        raw = np.frombuffer(frames[3].planes[0], np.uint16).reshape(HEIGHT, -1)
        assert np.array_equal(shot.planes[0], raw[:, :WIDTH])
