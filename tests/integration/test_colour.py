"""Known colours, written in every way a video can, come out as files with these very colours.

Each chart is encoded without loss, read by the engine, and its JPEG and PNG are read by Pillow; the
middle of each patch is compared with the true sRGB colour by CIEDE2000.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import snapengine
from snapengine.imaging.encode import encode
from snapengine.imaging.jpeg import encode_jpeg
from snapengine.imaging.scaler import render, render_rgb
from snapengine.media.frame_notes import FrameNotes
from snapengine.media.planes import raw_frame
from snapengine.model.color import ColorInfo
from snapengine.model.frame import Picture
from snapengine.model.geometry import UPRIGHT, Size, View
from tests.media import charts
from tests.media.charts import COLORS, Chart
from tests.reference import ciede2000, tone

#: A difference that nobody sees side by side is 1; JPEG and 8 bit limited range cost up to this.
MEAN, MOST = 1.5, 4.0
X264 = (("qp", "0"), ("preset", "ultrafast"))
X265 = (("x265-params", "lossless=1:log-level=none:pools=1:frame-threads=1"),)


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), np.float64)


def pictures(path: Any, width: int) -> dict[str, np.ndarray]:
    """The chart as JPEG and PNG, at full size and ``width`` wide."""
    with snapengine.open(path) as video:
        shots = {"full": video.snapshot(0), "small": video.snapshot(0, width=width)}
        return {
            f"{size} {kind}": opened(shot.jpeg(95) if kind == "jpeg" else shot.encode("png"))
            for size, shot in shots.items()
            for kind in ("jpeg", "png")
        }


def check(chart: Chart, truth: np.ndarray, most: float = MOST) -> None:
    found = pictures(charts.build(chart), chart.size[0] // 2)
    for name, picture in found.items():
        error = ciede2000.difference(charts.sample(picture, chart), truth)
        note = f"{name}: mean {error.mean():.2f}, most {error.max():.2f} at {error.argmax()}"
        assert error.mean() < MEAN and error.max() < most, note


def drawn(frame: Any, color: ColorInfo) -> dict[str, np.ndarray]:
    """The same of a decoder's frame, without a file."""
    raw = raw_frame(
        frame, color=color, sample_aspect_ratio=Fraction(1), light=None, notes=FrameNotes(),
        orientation=UPRIGHT, field_order="progressive", keyframe=True, pts=0,
        time_base=Fraction(1, 25),
    )  # fmt: skip
    found = {}
    for name, factor in (("full", 1), ("small", 2)):
        size = Size(frame.width // factor, frame.height // factor)
        crop = (0.0, 0.0, float(frame.width), float(frame.height))
        view = View(coded=raw.size, crop=crop, scaled=size, orientation=UPRIGHT, size=size)
        picture = Picture(*size, "420" if factor == 1 else "444")
        render(raw, view, picture)
        found[f"{name} jpeg"] = opened(encode_jpeg(picture, 95))
        found[f"{name} png"] = opened(encode("png", render_rgb(raw, view)))
    return found


# --- the yardstick --------------------------------------------------------------------------------

#: Sharma, Wu, Dalal: The CIEDE2000 color-difference formula (2005), table 1.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425          50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412          50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000         50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669                            50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792       50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195       50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045       50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461       50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492                       50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030                       50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000                 50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000                 50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_ciede2000_gives_the_published_differences() -> None:
    table = np.array(SHARMA.split(), float).reshape(-1, 7)
    assert len(table) == 34
    one, two, want = table[:, :3], table[:, 3:6], table[:, 6]
    np.testing.assert_allclose(ciede2000.delta(one, two), want, atol=1e-4)
    np.testing.assert_allclose(ciede2000.delta(two, one), want, atol=1e-4)


def test_lab_of_the_white_and_of_the_primaries() -> None:
    found = ciede2000.lab(np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)]))
    want = [(100, 0, 0), (0, 0, 0), (53.24, 80.09, 67.20), (32.30, 79.19, -107.86)]
    np.testing.assert_allclose(found, want, atol=0.05)


# --- matrix and range -----------------------------------------------------------------------------


@pytest.mark.parametrize("range", ["", "limited", "full"])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020", "smpte240m", "fcc", "ycgco"])
def test_matrix_and_range(matrix: str, range: str) -> None:
    check(
        Chart(
            pix_fmt="yuv420p", matrix=matrix, range=range, meant_matrix=matrix,
            meant_range=range or "limited",
        ),
        COLORS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "patch", "matrix"), [(8, 32, "bt601"), (8, 160, "bt709"), (2, 48, "bt709")]
)
def test_untagged_video_is_read_by_its_size(columns: int, patch: int, matrix: str) -> None:
    """192 wide: BT.601; 1280 wide, or 768 high: BT.709."""
    check(Chart(pix_fmt="yuv420p", columns=columns, patch=patch, meant_matrix=matrix), COLORS)


# --- pixel formats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pix_fmt",
    [
        "yuv410p", "yuv411p", "yuv420p", "yuv422p", "yuv440p", "yuv444p",
        "yuv420p10le", "yuv422p10le", "yuv440p10le", "yuv444p10le",
        "yuv420p12le", "yuv422p12le", "yuv444p12le",
    ],
)  # fmt: skip
@pytest.mark.parametrize("full", [False, True])
def test_planar_yuv(pix_fmt: str, full: bool) -> None:
    range = "full" if full else "limited"
    check(
        Chart(
            pix_fmt=pix_fmt, range=range, meant_range=range, matrix="bt709", meant_matrix="bt709"
        ),
        COLORS,
    )


def test_nv12_video() -> None:
    check(Chart(codec="rawvideo", container="nut", pix_fmt="nv12"), COLORS)


@pytest.mark.parametrize(
    "pix_fmt", ["nv12", "nv16", "nv24", "p010le", "p012le", "p016le", "p210le", "p410le"]
)
def test_interleaved_chroma(pix_fmt: str) -> None:
    """As decoders in hardware give it: no file holds most of these formats."""
    chart = Chart(pix_fmt=pix_fmt)
    for name, picture in drawn(charts.frame_of(chart), ColorInfo()).items():
        error = ciede2000.difference(charts.sample(picture, chart), COLORS)
        assert error.mean() < MEAN and error.max() < MOST, name


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray12le"])
@pytest.mark.parametrize("primaries", ["", "bt470bg"])
def test_grey(pix_fmt: str, primaries: str) -> None:
    greys = np.array([(v, v, v) for v in (0, 16, 40, 90, 128, 170, 235, 255)], np.float64)
    check(
        Chart(
            pix_fmt=pix_fmt, range="full", meant_range="full", primaries=primaries, columns=4,
            signals=tuple(map(tuple, greys / 255)),
        ),
        greys,
        most=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "container", "pix_fmt"),
    [
        ("libx264rgb", "mp4", "rgb24"), ("libx264rgb", "mkv", "bgr24"), ("ffv1", "mkv", "bgr0"),
        ("ffv1", "mkv", "gbrp10le"), ("ffv1", "mkv", "gbrp12le"), ("qtrle", "mov", "rgb24"),
        ("png", "mov", "rgb24"), ("png", "mov", "rgba"), ("rawvideo", "avi", "bgr24"),
        ("rawvideo", "nut", "rgb24"), ("png", "mov", "pal8"),
    ],
)  # fmt: skip
def test_rgb_video(codec: str, container: str, pix_fmt: str) -> None:
    """RGB samples that name no range use all of it, whatever YUV would do."""
    options = X264 if codec == "libx264rgb" else ()
    check(Chart(codec=codec, container=container, pix_fmt=pix_fmt, options=options), COLORS)


# --- tags in bitstreams ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "container", "pix_fmt", "options"),
    [
        ("libx264", "mp4", "yuv420p", X264), ("libx264", "ts", "yuv444p", X264),
        ("libx264", "mp4", "yuv422p10le", X264), ("libx265", "mp4", "yuv420p10le", X265),
        ("libx265", "mkv", "yuv444p12le", X265),
        ("libvpx-vp9", "webm", "yuv420p", (("lossless", "1"), ("cpu-used", "8"))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("full", [False, True])
def test_tags_in_the_bitstream(
    codec: str, container: str, pix_fmt: str, options: Any, full: bool
) -> None:
    range = "full" if full else "limited"
    check(
        Chart(
            codec=codec, container=container, pix_fmt=pix_fmt, options=options, matrix="bt2020",
            meant_matrix="bt2020", range=range, meant_range=range, primaries="bt2020",
            transfer="bt709", frames=2,
        ),
        COLORS,
    )  # fmt: skip


# --- primaries ------------------------------------------------------------------------------------


def inside(primaries: str) -> tuple[np.ndarray, np.ndarray]:
    """The chart's colours, moved toward grey where these primaries cannot make them; signals."""
    truth = COLORS.copy()
    for _ in range(12):
        light = tone.srgb_light(truth / 255) @ tone.between("bt709", primaries).T
        out = (light < 0).any(axis=1) | (light > 1).any(axis=1)
        grey = truth.mean(axis=1, keepdims=True)
        truth[out] = (grey + 0.9 * (truth - grey))[out] * 0.98
    assert not out.any()
    return truth, np.asarray(tone.srgb_code(light))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le", "rgb24"])
@pytest.mark.parametrize("primaries", sorted(set(charts.PRIMARIES) - {""}))
def test_primaries(primaries: str, pix_fmt: str) -> None:
    truth, signal = inside(primaries)
    rgb = pix_fmt == "rgb24"
    matrix = "rgb" if rgb else "bt709"
    chart = Chart(
        codec="libx264rgb" if rgb else "ffv1", options=X264 if rgb else (), pix_fmt=pix_fmt,
        matrix=matrix, meant_matrix=matrix, primaries=primaries, transfer="bt709",
        signals=tuple(map(tuple, signal)),
    )  # fmt: skip
    check(chart, truth)


def test_colours_outside_of_the_screen_keep_their_hue() -> None:
    """Full P3 and BT.2020 primaries against the stated gamut step, and no channel clipped alone."""
    corners = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)], float)
    for primaries in ("smpte432", "bt2020"):
        chart = Chart(
            primaries=primaries, transfer="bt709", matrix="bt709", meant_matrix="bt709",
            columns=3, signals=tuple(map(tuple, corners)),
        )  # fmt: skip
        check(chart, tone.shown(corners, "sdr", primaries))


def test_without_primaries_nothing_is_converted() -> None:
    """Tagged BT.709 and untagged give the same bytes."""
    tagged, untagged = (
        Chart(pix_fmt="yuv420p", matrix="bt709", meant_matrix="bt709", primaries=p)
        for p in ("bt709", "")
    )
    one, two = (pictures(charts.build(c), 128) for c in (tagged, untagged))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


# --- where chroma lies ----------------------------------------------------------------------------

#: H.264's chroma_sample_loc_type, in order; (across, down) in luma samples from the first.
LOCATIONS = {
    "left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0),
    "top": (0.5, 0.0), "bottomleft": (0.0, 1.0), "bottom": (0.5, 1.0),
}  # fmt: skip
SIDE = 128
#: In luma samples; a wrong location moves colour by 0.5. JPEG's coarse chroma takes most of it.
SHIFT = 0.25


def edge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R'G'B' in 0..1 at luma positions (centres at whole numbers): soft edges of one luma (BT.709),
    one across the left half and one down the right half."""
    step = np.where(x < SIDE / 2, np.tanh((x - 30.3) / 3), np.tanh((y - 61.7) / 3))
    warm, cold = np.array([0.75, 0.45, 0.35]), np.array([0.2, 0.6, 0.555])
    mix = (0.5 + 0.5 * step)[..., None]
    return np.asarray(warm + (cold - warm) * mix)


def located(name: str) -> Any:
    """A frame whose chroma was taken from the edges at exactly this location."""
    x0, y0 = LOCATIONS[name]
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    luma = charts.codes_of(edge(x, y), 8, False, "bt709")[:, :, 0]
    cy, cx = np.mgrid[0:SIDE:2, 0:SIDE:2].astype(float)
    chroma = charts.codes_of(edge(cx + x0, cy + y0), 8, False, "bt709")
    frame = av.VideoFrame(SIDE, SIDE, "yuv420p")
    for plane, samples in zip(frame.planes, (luma, chroma[:, :, 1], chroma[:, :, 2]), strict=True):
        charts.store(plane, np.round(samples).astype(np.uint8))
    return frame


def place(lines: np.ndarray) -> float:
    """Where the lines (last axis) pass the middle between their ends, in samples; mean of all."""
    middle = (lines[:, :4].mean() + lines[:, -4:].mean()) / 2
    found = [np.interp(-middle, -line, np.arange(line.size)) for line in lines]
    return float(np.mean(found))


def shift(picture: np.ndarray) -> tuple[float, float]:
    """How far the two edges moved (right, down), in samples of the video, by their Cr."""
    scale = SIDE / len(picture)
    y, x = (np.mgrid[0 : len(picture), 0 : len(picture)] + 0.5) * scale - 0.5
    moved = []
    middle, far = len(picture) // 2, int(8 / scale)  # near the seam the halves mix
    for shown in (picture, 255 * edge(x, y)):
        cr = shown @ (0.5, -0.4542, -0.0458)
        moved.append((place(cr[far:-far, : middle - far]), place(cr[:, middle + far :].T)))
    (right, down), (true_right, true_down) = moved
    return (right - true_right) * scale, (down - true_down) * scale


@pytest.mark.parametrize("name", list(LOCATIONS))
def test_coloured_edges_stay_where_they_are(name: str) -> None:
    color = ColorInfo(matrix="bt709", range="limited", chroma_location=name)
    for kind, picture in drawn(located(name), color).items():
        assert np.abs(shift(picture)).max() < SHIFT, f"{kind}: moved by {shift(picture)}"


@pytest.mark.parametrize("name", list(LOCATIONS))
def test_coloured_edges_of_files_stay_where_they_are(name: str, tmp_path: Path) -> None:
    number = list(LOCATIONS).index(name)
    chart = Chart(
        codec="libx264", container="mp4", pix_fmt="yuv420p", matrix="bt709", range="limited",
        options=(*X264, ("x264-params", f"chromaloc={number}")),
    )  # fmt: skip
    path = tmp_path / "edge.mp4"
    charts.write(chart, str(path), located(name))
    for kind, picture in pictures(path, SIDE // 2).items():
        assert np.abs(shift(picture)).max() < SHIFT, f"{kind}: moved by {shift(picture)}"


def test_the_measure_of_edges_sees_a_wrong_location(tmp_path: Path) -> None:
    """Half a sample off is half a sample off."""
    path = tmp_path / "edge.mkv"
    chart = Chart(pix_fmt="yuv420p", matrix="bt709", range="limited")
    charts.write(chart, str(path), located("bottom"))
    with snapengine.open(path) as video:
        moved = shift(opened(video.snapshot(0).encode("png")))
    assert moved == pytest.approx((-0.5, -0.5), abs=0.1)
