"""Charts of known colours as video files: lossless patches in every way of writing colour.

``build(chart)`` returns the path; files live beside the recipes' in the cache folder, named by a
hash of the value, of this code and of the encoders. Nothing here imports snapengine.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.reference import colour, tone

from .recipes import cache_folder

__all__ = ["COLORS", "Chart", "build", "codes_of", "sample", "signal_of", "store"]

#: sRGB codes: the ColorChecker's 24 (BabelColor's averages; its cyan, outside of sRGB, moved in),
#: and the primaries, secondaries, black, white.
COLORS = np.array(
    [
        (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177),
        (103, 189, 170), (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108),
        (157, 188, 64), (224, 163, 46), (56, 61, 150), (70, 148, 73), (175, 54, 60),
        (231, 199, 31), (187, 86, 149), (8, 133, 161), (243, 243, 242), (200, 200, 200),
        (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52), (255, 0, 0),
        (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255),
        (0, 0, 0), (255, 255, 255),
    ],
    np.float64,
)  # fmt: skip

#: H.273 code points, as FFmpeg numbers them.
MATRICES = {
    "rgb": 0, "bt709": 1, "": 2, "fcc": 4, "bt601": 6, "smpte240m": 7, "ycgco": 8, "bt2020": 9,
    "ipt-c2": 15,
}  # fmt: skip
PRIMARIES = {
    "bt709": 1, "": 2, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "film": 8,
    "bt2020": 9, "smpte431": 11, "smpte432": 12, "ebu3213": 22,
}  # fmt: skip
TRANSFERS = {"": 2, "bt709": 1, "srgb": 13, "pq": 16, "hlg": 18}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One file. Empty names are not tagged; ``meant`` is what the samples then are."""

    codec: str = "ffv1"
    container: str = "mkv"
    pix_fmt: str = "yuv444p"
    range: str = ""  # "", limited, full
    matrix: str = ""
    primaries: str = ""
    transfer: str = ""
    meant_range: str = "limited"
    meant_matrix: str = "bt601"
    columns: int = 8
    patch: int = 32  # pixels on each side
    options: tuple[tuple[str, str], ...] = ()
    frames: int = 1
    #: Signals 0..1 of each patch, R'G'B' of the tagged primaries and transfer; None: ``COLORS``.
    #: With ``meant_matrix`` "ipt-c2" they are PQ of BT.2020.
    signals: tuple[tuple[float, float, float], ...] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        count = len(COLORS if self.signals is None else self.signals)
        return self.columns * self.patch, -(-count // self.columns) * self.patch


def signal_of(chart: Chart) -> np.ndarray:
    """R'G'B' of every patch in 0..1, in the chart's own primaries."""
    if chart.signals is not None:
        return np.array(chart.signals)
    code = COLORS / 255
    if not chart.primaries:
        return code
    light = tone.srgb_light(code) @ tone.between("bt709", chart.primaries).T
    return np.asarray(tone.srgb_code(light))


def codes_of(signal: np.ndarray, depth: int, full: bool, matrix: str) -> np.ndarray:
    """R'G'B' in 0..1 (last axis) to Y, Cb, Cr codes, not rounded: the formulas solved for them."""
    top = 2.0**depth - 1
    if matrix == "ipt-c2":
        assert full
        return np.asarray(top * tone.ipt_c2(signal) + [0, 2.0 ** (depth - 1), 2.0 ** (depth - 1)])
    zero = colour.to_rgb(0, 0, 0, depth, full, matrix)
    basis = np.stack([colour.to_rgb(*row, depth, full, matrix) for row in np.eye(3) * top], axis=1)
    solved = np.linalg.solve((basis - zero[:, None]) / top, (255 * signal - zero).reshape(-1, 3).T)
    return np.asarray(solved.T.reshape(signal.shape))


def picture_of(chart: Chart) -> np.ndarray:
    """Signals of every pixel, (height, width, 3); patches row by row, the rest black."""
    height = chart.size[1]
    signal = signal_of(chart)
    cells = np.zeros((height // chart.patch * chart.columns, 3))
    cells[: len(signal)] = signal
    cells = cells.reshape(-1, chart.columns, 3)
    return cells.repeat(chart.patch, 0).repeat(chart.patch, 1)


def sample(picture: np.ndarray, chart: Chart) -> np.ndarray:
    """Mean colour of the middle of every patch in a picture of any size: [patches, 3]."""
    height, width = picture.shape[:2]
    count = len(signal_of(chart))
    rows = chart.size[1] // chart.patch
    dx, dy = width / chart.columns, height / rows
    found = []
    for i, j in itertools.islice(itertools.product(range(rows), range(chart.columns)), count):
        top, bottom = int((i + 0.3) * dy), int((i + 0.7) * dy) + 1
        left, right = int((j + 0.3) * dx), int((j + 0.7) * dx) + 1
        found.append(picture[top:bottom, left:right].reshape(-1, 3).mean(axis=0))
    return np.array(found)


# --- frames ---------------------------------------------------------------------------------------


def store(plane: Any, samples: np.ndarray) -> None:
    """Samples into a plane of an av frame, padding included."""
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    raw = np.ascontiguousarray(samples).view(np.uint8).reshape(samples.shape[0], -1)
    rows[: raw.shape[0], : raw.shape[1]] = raw
    plane.update(rows.tobytes())


def frame_of(chart: Chart) -> Any:
    """The samples in the chart's pixel format. Patches are flat, so chroma is taken anywhere."""
    signal = picture_of(chart)
    height, width = signal.shape[:2]
    full = chart.meant_range == "full"
    if chart.pix_fmt == "pal8":
        flat = np.round(255 * signal).astype(np.uint8).reshape(-1, 3)
        colors, index = np.unique(flat, axis=0, return_inverse=True)
        palette = np.zeros((256, 4), np.uint8)
        palette[:, 0] = 255
        palette[: len(colors), 1:] = colors
        cells = index.reshape(height, width).astype(np.uint8)
        return av.VideoFrame.from_ndarray((cells, palette), format="pal8")
    if chart.pix_fmt in ("rgb24", "bgr24", "bgr0", "rgba"):
        rgb = np.round(255 * signal).astype(np.uint8)
        packed = rgb if chart.pix_fmt[0] == "r" else rgb[:, :, ::-1]
        if len(chart.pix_fmt) == 4:
            packed = np.dstack([packed, np.full((height, width), 255, np.uint8)])
        frame = av.VideoFrame(width, height, chart.pix_fmt)
        store(frame.planes[0], packed.reshape(height, -1))
        return frame
    frame = av.VideoFrame(width, height, chart.pix_fmt)
    depth = frame.format.components[0].bits
    kind = np.uint8 if depth == 8 else np.uint16
    shift = 16 - depth if chart.pix_fmt.startswith(("p0", "p2", "p4")) else 0

    def coded(values: np.ndarray) -> np.ndarray:
        return (np.clip(np.round(values), 0, 2**depth - 1).astype(kind) << shift).astype(kind)

    if chart.pix_fmt.startswith("gbr"):
        for plane, i in zip(frame.planes, (1, 2, 0), strict=True):
            store(plane, coded((2**depth - 1) * signal[:, :, i]))
        return frame
    codes = coded(codes_of(signal, depth, full, chart.meant_matrix))
    if len(frame.planes) == 1:
        store(frame.planes[0], codes[:, :, 0])
        return frame
    luma, *chroma = frame.format.components
    step_x, step_y = luma.width // chroma[0].width, luma.height // chroma[0].height
    store(frame.planes[0], codes[:, :, 0])
    small = codes[step_y // 2 :: step_y, step_x // 2 :: step_x, 1:]
    if len(frame.planes) == 2:
        store(frame.planes[1], small.reshape(small.shape[0], -1))
    else:
        store(frame.planes[1], small[:, :, 0])
        store(frame.planes[2], small[:, :, 1])
    return frame


# --- files ----------------------------------------------------------------------------------------


@cache
def _code_hash() -> str:
    sources = (Path(__file__), Path(colour.__file__), Path(tone.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def build(chart: Chart) -> Path:
    """The file of this chart, made on first use."""
    text = repr((_code_hash(), sorted(av.library_versions.items()), chart))
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = cache_folder() / f"chart-{chart.codec}-{chart.pix_fmt}-{key}.{chart.container}"
    if path.exists():
        return path
    handle, aside = tempfile.mkstemp(
        suffix=f".{chart.container}", prefix=".making-", dir=path.parent
    )
    os.close(handle)
    try:
        write(chart, aside, frame_of(chart))
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
    return path


def write(chart: Chart, path: str, frame: Any) -> None:
    """Encode ``frame`` ``chart.frames`` times, with the chart's codec and tags."""
    os.environ.setdefault("SVT_LOG", "-1")
    with av.open(path, "w") as out:
        stream: Any = out.add_stream(chart.codec, rate=25, options=dict(chart.options))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = frame.width, frame.height, chart.pix_fmt
        context.time_base = Fraction(1, 25)
        for tagged in (context, frame):
            tagged.color_range = {"": 0, "limited": 1, "full": 2}[chart.range]
            tagged.colorspace = MATRICES[chart.matrix]
            tagged.color_primaries = PRIMARIES[chart.primaries]
            tagged.color_trc = TRANSFERS[chart.transfer]
        out.start_encoding()
        for i in range(chart.frames):
            frame.pts, frame.time_base = i, Fraction(1, 25)
            for packet in context.encode(frame):
                packet.stream = stream
                out.mux_one(packet)
        for packet in context.encode(None):
            packet.stream = stream
            out.mux_one(packet)
