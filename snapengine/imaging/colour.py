"""Colour arithmetic: sample codes to full-range BT.601 YCbCr (JFIF) or to RGB, as affine maps.

Sources: ITU-T H.273 tables 4 (matrices) and 8.3 (ranges); JFIF 1.02 and ITU-T T.871 section 7.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..model.color import LUMA_COEFFICIENTS, ColorInfo
from ..model.frame import PixelFormat

F64 = NDArray[np.floating[Any]]

#: Where chroma samples lie within their group of luma samples, (across, down): -1 on the first
#: sample, 0 in the middle, 1 on the last. FFmpeg's names of H.273 chroma sample location types.
SITING: Final[dict[str, tuple[int, int]]] = {
    "left": (-1, 0),
    "center": (0, 0),
    "topleft": (-1, -1),
    "top": (0, -1),
    "bottomleft": (-1, 1),
    "bottom": (0, 1),
}

#: (I, P, T) and (I, Ct, Cp) to L', M', S'. IPT-C2: the integers that Dolby Vision profile 5 writes
#: into its metadata (SMPTE ST 2128); ICtCp: BT.2100 table 7, inverted, for PQ and for HLG.
_TO_LMS: Final[dict[str, F64]] = {
    "ipt-c2": np.array([[8192, 799, 1681], [8192, -933, 1091], [8192, 267, -5545]]) / 8192,
    "ictcp": np.linalg.inv(
        np.array([[2048, 2048, 0], [6610, -13613, 7003], [17933, -17390, -543]]) / 4096
    ),
    "ictcp-hlg": np.linalg.inv(
        np.array([[2048, 2048, 0], [3625, -7465, 3840], [9500, -9212, -288]]) / 4096
    ),
}


def yuv_to_rgb(matrix: str) -> F64:
    """3x3: (Y, Cb, Cr) with Y in 0..1 and chroma in -0.5..0.5 to R, G, B in 0..1.

    For "ipt-c2", "ictcp" and "ictcp-hlg" the result is L', M', S'.
    """
    if matrix == "rgb":
        return np.eye(3)
    if matrix in _TO_LMS:
        return _TO_LMS[matrix]
    if matrix == "ycgco":  # H.273: Cg, Co in the places of Cb, Cr
        return np.array([[1.0, -1.0, 1.0], [1.0, 1.0, 0.0], [1.0, -1.0, -1.0]])
    kr, kb = LUMA_COEFFICIENTS[matrix]
    kg = 1.0 - kr - kb
    return np.array(
        [
            [1.0, 0.0, 2 * (1 - kr)],
            [1.0, -2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg],
            [1.0, 2 * (1 - kb), 0.0],
        ]
    )


#: R, G, B in 0..255 to JFIF Y, Cb, Cr without the offset of 128.
RGB_TO_JFIF: Final[F64] = np.linalg.inv(yuv_to_rgb("bt601"))


def normalise(format: PixelFormat, full: bool) -> tuple[F64, F64]:
    """``(gain[3], offset[3])``: stored samples to nominal 0..1 (chroma -0.5..0.5)."""
    shift, depth = 1 << format.shift, format.depth
    top, step = (1 << depth) - 1, 1 << (depth - 8) if depth >= 8 else 1 / (1 << (8 - depth))
    luma = (1 / top, 0.0) if full else (1 / (219 * step), -16 / 219)
    chroma = (1 / top, -(1 << (depth - 1)) / top) if full else (1 / (224 * step), -128 / 224)
    none = (0.0, 0.0)
    parts = {"rgb": (luma,) * 3, "gray": (luma, none, none), "yuv": (luma, chroma, chroma)}[
        format.model
    ]
    return np.array([g / shift for g, _ in parts]), np.array([o for _, o in parts])


@lru_cache(maxsize=64)
def to_rgb(format: PixelFormat, range: str, matrix: str) -> tuple[F64, F64]:
    """``(A[3, 3], b[3])``: stored samples ``s`` to RGB in 0..255 as ``A @ s + b``."""
    gain, offset = normalise(format, range == "full")
    # RGB samples carry no matrix whatever the tag says; YUV samples tagged "rgb" cannot be meant.
    name = "rgb" if format.model == "rgb" else "bt601" if matrix == "rgb" else matrix
    m = 255.0 * yuv_to_rgb(name)
    return m * gain, m @ offset


@lru_cache(maxsize=64)
def to_jfif(format: PixelFormat, range: str, matrix: str) -> tuple[F64, F64]:
    """``(A[3, 3], b[3])``: stored samples ``s`` to JFIF codes as ``A @ s + b``.

    For YUV the chroma rows do not depend on luma, as grey is grey in every matrix.
    """
    m, offset = to_rgb(format, range, matrix)
    a = RGB_TO_JFIF @ m
    b = RGB_TO_JFIF @ offset + (0.0, 128.0, 128.0)
    if format.model != "rgb":
        a[1:, 0] = 0.0  # exactly, not just nearly
    return a, b


@lru_cache(maxsize=64)
def affine(format: PixelFormat, range: str, matrix: str, top: float) -> NDArray[np.float32]:
    """:func:`to_rgb` with results in 0..``top``, as kernels take it: float32 [12], rows of
    (a, b, c, 1). Shared: do not write into it."""
    a, b = to_rgb(format, range, matrix)
    return (np.column_stack([a, b]) * (top / 255)).astype(np.float32).reshape(-1)


def jfif_to_rgb() -> tuple[F64, F64]:
    """``(A, b)``: JFIF codes to RGB in 0..255."""
    m = yuv_to_rgb("bt601")
    return m, m @ np.array([0.0, -128.0, -128.0])


def color_ycc(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """An RGB colour as JFIF (Y, Cb, Cr), rounded to the nearest, halves upward."""
    ycc: Any = RGB_TO_JFIF @ np.array(color, np.float64) + (0.5, 128.5, 128.5)
    y, cb, cr = (min(255, max(0, int(np.floor(v + 1e-9)))) for v in ycc)
    return y, cb, cr


def chroma_offset(subsampling: int, site: int) -> float:
    """What to add, in chroma samples, to ``luma position / subsampling`` (edge coordinates)."""
    return -site * (0.5 - 0.5 / subsampling)


def siting(color: ColorInfo) -> tuple[int, int]:
    """Chroma site of a resolved colour, (across, down); an unknown name counts as "left"."""
    return SITING.get(color.chroma_location or "left", SITING["left"])
