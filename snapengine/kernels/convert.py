"""Scaled float planes to 8 bit: range, matrix and depth in one step, rounded once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import F32, F32_IN, FLOAT, INT, U8, kernel


@kernel(
    U8, INT, F32_IN, INT, INT, INT, FLOAT, FLOAT, F32_IN, INT, INT, INT, INT, INT, INT, INT, F32
)
def luma_out(
    dst: Any,
    dst_stride: int,
    src: Any,
    src_stride: int,
    width: int,
    rows: int,
    gain: float,
    offset: float,
    shade: Any,
    shade_width: int,
    shade_height: int,
    half: int,
    phase_x: int,
    phase_y: int,
    first: int,
    use_shade: int,
    line: Any,
) -> None:
    """Luma: ``gain * src + offset + shade`` rounded to the nearest, halves upward, and clipped.

    ``shade`` is what chroma adds to luma when the matrix changes. It lies on the chroma grid of the
    result: the luma grid (``half`` 0) or half of it (``half`` 1), where it is blended 3:1 as JPEG
    decoders blend chroma, so that their chroma and this luma add up to the true colour.
    Shapes: ``src`` and ``dst`` hold ``rows`` rows, the first of which is row ``first`` of the
    picture; ``shade`` [shade_height, shade_width] packed; chroma sample ``(x + phase_x) >> 1``
    belongs to luma ``x``. ``line`` [width + shade_width + 2] is scratch.
    Units: JFIF codes. Ownership: writes ``dst`` and ``line`` only. Threads: any.
    """
    half_up = np.float32(0.5)
    low, high = np.float32(0), np.float32(255)
    quarter, three = np.float32(0.25), np.float32(0.75)
    adds = line[:width]
    blend = line[width : width + shade_width + 2]
    for y in range(rows):
        row = src[y * src_stride : y * src_stride + width]
        out = dst[y * dst_stride : y * dst_stride + width]
        if use_shade == 0:
            for x in range(width):
                v = row[x] * gain + offset + half_up
                out[x] = np.uint8(np.int32(min(max(v, low), high)))
            continue
        if half == 0:
            at = (first + y) * shade_width
            same = shade[at : at + width]
            for x in range(width):  # a slice assignment would allocate
                adds[x] = same[x]
        else:
            i = (first + y + phase_y) >> 1
            near = shade[i * shade_width : (i + 1) * shade_width]
            other = min(max(i - 1 + 2 * ((first + y + phase_y) & 1), 0), shade_height - 1)
            far = shade[other * shade_width : (other + 1) * shade_width]
            for x in range(shade_width):
                blend[x + 1] = three * near[x] + quarter * far[x]
            blend[0] = blend[1]
            blend[shade_width + 1] = blend[shade_width]
            if phase_x == 1:
                adds[0] = three * blend[1] + quarter * blend[2]
            evens = blend[phase_x:]
            for i in range((width - phase_x) // 2):
                adds[phase_x + 2 * i] = quarter * evens[i] + three * evens[i + 1]
                adds[phase_x + 2 * i + 1] = three * evens[i + 1] + quarter * evens[i + 2]
            if (width - phase_x) & 1:
                i = (width - phase_x) // 2
                adds[width - 1] = quarter * evens[i] + three * evens[i + 1]
        for x in range(width):
            v = row[x] * gain + offset + adds[x] + half_up
            out[x] = np.uint8(np.int32(min(max(v, low), high)))


@kernel(U8, U8, INT, F32_IN, F32_IN, F32, INT, INT, *(FLOAT,) * 8)
def chroma_out(
    cb_dst: Any,
    cr_dst: Any,
    dst_stride: int,
    cb: Any,
    cr: Any,
    shade: Any,
    width: int,
    rows: int,
    cb_cb: float,
    cb_cr: float,
    cb_add: float,
    cr_cb: float,
    cr_cr: float,
    cr_add: float,
    y_cb: float,
    y_cr: float,
) -> None:
    """Chroma: a 2x2 matrix and an offset, rounded and clipped; ``shade`` for :data:`luma_out`.

    Shapes: ``cb``, ``cr``, ``shade`` [rows, width] packed; both targets ``dst_stride`` apart.
    Units: JFIF codes; the offsets ``cb_add`` and ``cr_add`` include JFIF's 128.
    Ownership: writes ``cb_dst``, ``cr_dst``, ``shade``. Threads: any.
    """
    half_up = np.float32(0.5)
    low, high = np.float32(0), np.float32(255)
    for y in range(rows):
        b = cb[y * width : (y + 1) * width]
        r = cr[y * width : (y + 1) * width]
        s = shade[y * width : (y + 1) * width]
        out_b = cb_dst[y * dst_stride : y * dst_stride + width]
        out_r = cr_dst[y * dst_stride : y * dst_stride + width]
        for x in range(width):
            s[x] = b[x] * y_cb + r[x] * y_cr
            v = b[x] * cb_cb + r[x] * cb_cr + cb_add + half_up
            out_b[x] = np.uint8(np.int32(min(max(v, low), high)))
            v = b[x] * cr_cb + r[x] * cr_cr + cr_add + half_up
            out_r[x] = np.uint8(np.int32(min(max(v, low), high)))


@kernel(U8, INT, F32_IN, F32_IN, F32_IN, INT, INT, F32_IN)
def rgb_out(
    dst: Any, dst_stride: int, a: Any, b: Any, c: Any, width: int, rows: int, affine: Any
) -> None:
    """Three float planes to packed RGB: a 3x3 matrix and an offset, rounded and clipped.

    Shapes: ``a``, ``b``, ``c`` [rows, width] packed; ``dst`` rows of ``3 * width`` bytes,
    ``dst_stride`` bytes apart; ``affine`` [12] holds three rows of (a, b, c, 1).
    Units: R, G, B in 0..255. Ownership: writes ``dst`` only. Threads: any.
    """
    half_up = np.float32(0.5)
    low, high = np.float32(0), np.float32(255)
    m0, m1, m2, m3 = affine[0], affine[1], affine[2], affine[3]
    m4, m5, m6, m7 = affine[4], affine[5], affine[6], affine[7]
    m8, m9, m10, m11 = affine[8], affine[9], affine[10], affine[11]
    for y in range(rows):
        row_a = a[y * width : (y + 1) * width]
        row_b = b[y * width : (y + 1) * width]
        row_c = c[y * width : (y + 1) * width]
        out = dst[y * dst_stride : y * dst_stride + 3 * width]
        for x in range(width):
            s, t, u = row_a[x], row_b[x], row_c[x]
            red = s * m0 + t * m1 + u * m2 + m3 + half_up
            green = s * m4 + t * m5 + u * m6 + m7 + half_up
            blue = s * m8 + t * m9 + u * m10 + m11 + half_up
            out[3 * x] = np.uint8(np.int32(min(max(red, low), high)))
            out[3 * x + 1] = np.uint8(np.int32(min(max(green, low), high)))
            out[3 * x + 2] = np.uint8(np.int32(min(max(blue, low), high)))


@kernel(
    U8, U8, U8, INT, INT, F32_IN, F32_IN, F32_IN, INT, INT, F32_IN, F32_IN,
    INT, INT, INT, F32,
)  # fmt: skip
def jfif_out(
    y_dst: Any,
    u_dst: Any,
    v_dst: Any,
    y_stride: int,
    c_stride: int,
    a: Any,
    b: Any,
    c: Any,
    width: int,
    rows: int,
    affine: Any,
    matrix: Any,
    half: int,
    phase_x: int,
    phase_y: int,
    line: Any,
) -> None:
    """Three float planes to R, G, B, clipped, and these to JFIF's Y, Cb, Cr, each rounded once.

    With ``half`` 1 a chroma sample is the mean of its block of 2x2, in which what lies outside of
    the picture counts as the nearest inside.
    Shapes: ``a``, ``b``, ``c`` [rows, width] packed. ``affine`` [12] holds three rows of
    (a, b, c, 1) that give R, G, B in 0..255; ``matrix`` [9] R, G, B to Y, Cb, Cr without offset.
    The first of the blocks begins ``phase_x`` columns and ``phase_y`` rows before the samples.
    ``line`` [6 * (width + 2)] is scratch.
    Units: JFIF codes. Ownership: writes the three targets and ``line``. Threads: any.
    """
    low, high, half_up = np.float32(0), np.float32(255), np.float32(0.5)
    middle, quarter = np.float32(128.5), np.float32(0.25)
    m0, m1, m2, m3 = affine[0], affine[1], affine[2], affine[3]
    m4, m5, m6, m7 = affine[4], affine[5], affine[6], affine[7]
    m8, m9, m10, m11 = affine[8], affine[9], affine[10], affine[11]
    y0, y1, y2 = matrix[0], matrix[1], matrix[2]
    u0, u1, u2 = matrix[3], matrix[4], matrix[5]
    v0, v1, v2 = matrix[6], matrix[7], matrix[8]
    span = width + 2
    blocks = (width + phase_x + 1) >> 1
    for k in range(rows):
        out = y_dst[k * y_stride : k * y_stride + width]
        row_a = a[k * width : (k + 1) * width]
        row_b = b[k * width : (k + 1) * width]
        row_c = c[k * width : (k + 1) * width]
        # A block's upper row, or the only one of a block that hangs over, is kept for the lower.
        lower = (k + phase_y) & 1
        keep = lower * 2 * span
        cb = line[keep : keep + span]
        cr = line[keep + span : keep + 2 * span]
        inner_b, inner_r = cb[phase_x : phase_x + width], cr[phase_x : phase_x + width]
        for x in range(width):
            s, t, u = row_a[x], row_b[x], row_c[x]
            red = min(max(s * m0 + t * m1 + u * m2 + m3, low), high)
            green = min(max(s * m4 + t * m5 + u * m6 + m7, low), high)
            blue = min(max(s * m8 + t * m9 + u * m10 + m11, low), high)
            v = red * y0 + green * y1 + blue * y2 + half_up
            out[x] = np.uint8(np.int32(min(max(v, low), high)))
            inner_b[x] = red * u0 + green * u1 + blue * u2
            inner_r[x] = red * v0 + green * v1 + blue * v2
        if half == 0:
            out_b = u_dst[k * c_stride : k * c_stride + width]
            out_r = v_dst[k * c_stride : k * c_stride + width]
            for x in range(width):
                v = cb[x] + middle
                out_b[x] = np.uint8(np.int32(min(max(v, low), high)))
                v = cr[x] + middle
                out_r[x] = np.uint8(np.int32(min(max(v, low), high)))
            continue
        cb[0], cr[0] = cb[phase_x], cr[phase_x]
        cb[phase_x + width], cr[phase_x + width] = cb[phase_x + width - 1], cr[phase_x + width - 1]
        if lower == 0 and k + 1 < rows:
            continue
        far = 0 if lower == 1 and k > 0 else keep
        far_b = line[far : far + span]
        far_r = line[far + span : far + 2 * span]
        i = (k + phase_y) >> 1
        out_b = u_dst[i * c_stride : i * c_stride + blocks]
        out_r = v_dst[i * c_stride : i * c_stride + blocks]
        sum_b = line[4 * span : 5 * span]
        sum_r = line[5 * span : 6 * span]
        for x in range(2 * blocks):
            sum_b[x] = cb[x] + far_b[x]
            sum_r[x] = cr[x] + far_r[x]
        for x in range(blocks):
            v = (sum_b[2 * x] + sum_b[2 * x + 1]) * quarter + middle
            out_b[x] = np.uint8(np.int32(min(max(v, low), high)))
            v = (sum_r[2 * x] + sum_r[2 * x + 1]) * quarter + middle
            out_r[x] = np.uint8(np.int32(min(max(v, low), high)))
