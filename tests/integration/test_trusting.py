"""What containers and headers claim is checked by what decodes: false keyframes, palettes that are
told once, packed bits, orders of fields, stamps of old containers."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import snapengine
from snapengine.errors import PictureWarning
from tests.media.oracle import hash_planes, visible_planes
from tests.unit.test_deinterlace import HEIGHT, WIDTH, discs, woven

FRAMES = 40


def moving(width: int = 160, height: int = 96) -> Iterator[np.ndarray]:
    """Texture under a pan: a picture predicted from nothing is nowhere near."""
    noise = np.random.default_rng(5).integers(30, 220, (height // 8, 64, 3), np.uint8)
    wide = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    for number in range(FRAMES):
        yield np.ascontiguousarray(wide[:height, 3 * number : 3 * number + width])


def film(path: Path, codec: str, pix_fmt: str, **options: str) -> Path:
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, pix_fmt
        stream.codec_context.gop_size = 15
        for number, picture in enumerate(moving()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[tuple[str, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (hash_planes(visible_planes(frame)), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def check_every_frame(path: Path, frames: list[tuple[str, np.ndarray]], exactly: bool) -> None:
    """In any order, each asked alone of one opened video. ``exactly``: samples are planar."""
    order = list(range(len(frames)))
    random.Random(11).shuffle(order)
    with snapengine.open(path) as video:
        for number in order:
            shot = video.snapshot(Fraction(2 * number + 1, 50))
            note = f"frame {number} of {path.name}: {shot}"
            assert shot.exact and not shot.corrupt, note
            samples, picture = frames[number]
            if exactly:
                assert hash_planes(shot.planes) == samples, note
            # Chroma is blended otherwise; what is made up is off by 50 and more.
            assert np.abs(shot.to_ndarray().astype(int) - picture).mean() < 12, note


# -- keyframes that are none ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("msmpeg4", "yuv420p"), ("msmpeg4v2", "yuv420p"), ("wmv1", "yuv420p"),
        ("wmv2", "yuv420p"), ("flv", "yuv420p"), ("h263p", "yuv420p"), ("mpeg4", "yuv420p"),
        ("mpeg2video", "yuv420p"), ("mjpeg", "yuvj420p"), ("cinepak", "rgb24"),
        ("msvideo1", "rgb555le"), ("zmbv", "bgr0"), ("snow", "yuv420p"),
    ],
)  # fmt: skip
def test_an_avi_without_its_index_shows_no_invented_pictures(
    codec: str, pix_fmt: str, tmp_path: Path
) -> None:
    """libavformat then takes every packet for a keyframe; these decoders begin anywhere."""
    whole = film(tmp_path / "whole.avi", codec, pix_fmt, strict="-2").read_bytes()
    cut = tmp_path / f"{codec}.avi"
    cut.write_bytes(whole[: whole.rindex(b"idx1")])
    frames = decoded(cut)
    assert len(frames) > 20
    check_every_frame(cut, frames, exactly=pix_fmt.startswith("yuv"))


@pytest.mark.parametrize("share", [1, 7])
def test_a_sync_table_that_lies_is_noticed(share: int, tmp_path: Path) -> None:
    """Every packet, or every seventh, is said to be a keyframe."""
    path = tmp_path / "lying.mp4"
    film(tmp_path / "true.mp4", "mpeg4", "yuv420p")
    with av.open(str(tmp_path / "true.mp4")) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.is_keyframe |= number % share == 0
                packet.stream = stream
                out.mux(packet)
    frames = decoded(path)
    check_every_frame(path, frames, exactly=True)
    with snapengine.open(path) as video:
        for cell in video.sprite(count=6, accuracy="keyframe").cells:
            assert cell.pts is not None


# -- palettes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "suffix"), [("rawvideo", "mov"), ("rawvideo", "avi"), ("smc", "mov"), ("png", "mov")]
)
def test_the_palette_is_there_after_any_seek(codec: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"palette.{suffix}"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "pal8"
        stream.codec_context.gop_size = 10
        for number, picture in enumerate(moving()):
            frame = paletted(picture)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as container:
        truth = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with snapengine.open(path) as video:
        for number in (30, 3, 17, 0, 38, 4):
            shot = video.snapshot(Fraction(number, 25))
            assert np.abs(shot.to_ndarray().astype(int) - truth[number]).max() <= 1, number


def paletted(picture: np.ndarray) -> Any:
    """Three bits of red and green, two of blue: one palette for all pictures."""
    codes = np.arange(256)
    table = np.column_stack(
        [(codes & 3) * 85, (codes >> 2 & 7) * 36, (codes >> 5) * 36, np.full(256, 255)]
    ).astype(np.uint8)  # B, G, R, A
    frame = av.VideoFrame(160, 96, "pal8")
    rows = np.zeros((96, frame.planes[0].line_size), np.uint8)
    red, green, blue = (picture[..., i] >> shift for i, shift in ((0, 5), (1, 5), (2, 6)))
    rows[:, :160] = red << 5 | green << 2 | blue
    frame.planes[0].update(rows.tobytes())
    frame.planes[1].update(table.tobytes())
    return frame


# -- packed bits ----------------------------------------------------------------------------


@pytest.mark.parametrize("pix_fmt", ["monob", "monow"])
def test_one_bit_a_pixel(pix_fmt: str, tmp_path: Path) -> None:
    path = tmp_path / "bits.nut"
    picture = np.zeros((48, 80), np.uint8)
    picture[8:30, 11:50] = 255
    with av.open(str(path), "w", format="nut") as out:
        stream: Any = out.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 80, 48, pix_fmt
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pix_fmt)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with snapengine.open(path) as video:
        shown = video.snapshot(0.04).to_ndarray()
    assert np.array_equal(shown[..., 0], picture)


# -- order of fields ------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
@pytest.mark.parametrize(("order", "told"), [("top", 2), ("top", 4), ("bottom", 3), ("bottom", 5)])
def test_the_first_field_in_all_ways_containers_say_it(
    order: str, told: int, suffix: str, tmp_path: Path
) -> None:
    """AVFieldOrder as muxers write it: the first letter of TB and BT is the field shown first."""
    path = tmp_path / f"fields.{suffix}"
    options = {"crf": "8", "x264-params": f"{'tff' if order == 'top' else 'bff'}=1"}
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.field_order = told
        for number in range(4):
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = np.rint(16 + woven(discs, 2 * number, order) * (219 / 255))
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as source:
        found = source.streams.video[0].codec_context.field_order
        assert found == told or suffix == "mov"  # whose muxer knows two of the four
    with snapengine.open(path) as video:
        assert video.info.field_order == order
        shown = video.snapshot(Fraction(2, 25)).to_ndarray()[..., 1].astype(float)
    first, second = (np.abs(shown - discs(time)).mean() for time in (4, 5))
    assert first < second * 0.6


# -- names and tags -------------------------------------------------------------------------


def test_a_picture_is_not_taken_for_a_sequence_of_files(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(path)
    with snapengine.open(path) as video:
        assert video.snapshot(0).to_ndarray().mean() == pytest.approx(90, abs=2)


@pytest.mark.parametrize(("matrix", "warned"), [(1, False), (9, False), (10, True), (12, True)])
def test_matrices_that_are_not_known_are_told(matrix: int, warned: bool, tmp_path: Path) -> None:
    path = tmp_path / "tagged.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = matrix
        frame = av.VideoFrame.from_ndarray(np.full((72, 64), 90, np.uint8), format="yuv420p")
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    if not warned:
        with snapengine.open(path) as video:
            assert video.info.warnings == ()
        return
    with pytest.warns(PictureWarning, match="matrix"), snapengine.open(path) as video:
        assert video.info.warnings


def test_still_formats_read_from_memory() -> None:
    out = io.BytesIO()
    Image.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(out, "PNG")
    with snapengine.open(out.getvalue()) as video:
        assert (video.snapshot(0).to_ndarray() == 90).all()
