"""Full-size 8-bit YUV, sample by sample: to JFIF planes and to packed RGB.

Luma runs in 16-bit integers, which makes these loops two to three times as fast as in floats. What
chroma adds is prepared per chroma sample in floats, then rounded once to the same fixed point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import F32, F32_IN, I16, INT, U8, U8_IN, kernel


@kernel(
    U8, U8, U8, INT, INT, U8_IN, U8_IN, U8_IN, INT, INT, INT, INT, INT,
    F32_IN, F32_IN, INT, INT, I16,
)  # fmt: skip
def jfif_420(
    y_dst: Any,
    u_dst: Any,
    v_dst: Any,
    y_dst_stride: int,
    c_dst_stride: int,
    y: Any,
    u: Any,
    v: Any,
    y_stride: int,
    u_stride: int,
    v_stride: int,
    width: int,
    height: int,
    matrix: Any,
    site: Any,
    gain: int,
    offset: int,
    ring: Any,
) -> None:
    """4:2:0 to JFIF 4:2:0: range and matrix, and chroma moved to where JFIF has it.

    Shapes: luma [height, width], chroma half of it, rounded up. ``matrix`` [8]: Cb' from (Cb, Cr,
    1), Cr' from (Cb, Cr, 1), and what (Cb, Cr) add to luma, in JFIF codes. ``site`` [4]: weights of
    chroma samples i - 1 to i + 2 for target sample i. ``ring`` [3 * width + chroma width] is
    scratch.
    Units: ``gain`` is the luma gain in 2**-15, ``offset`` its offset in 2**-7 with half a step for
    rounding. Luma is within 1/64 of a step of the exact value before its one rounding. What chroma
    adds must stay within 64 steps, which it does for every matrix.
    Ownership: writes the three targets and ``ring``. Threads: any; ``ring`` belongs to one call.
    """
    half_up = np.float32(0.5)
    low, high = np.float32(0), np.float32(255)
    # Shades are kept in 2**-7; lifted, they are positive, so that truncation rounds them properly.
    fine, lift, down = np.float32(128), np.float32(8192.5), np.int32(8192)
    cb_cb, cb_cr, cb_add = matrix[0], matrix[1], matrix[2] + half_up
    cr_cb, cr_cr, cr_add = matrix[3], matrix[4], matrix[5] + half_up
    y_cb, y_cr = matrix[6] * fine, matrix[7] * fine
    s0, s1, s2, s3 = site[0], site[1], site[2], site[3]
    moved = s1 != np.float32(1)
    shaded = y_cb != low or y_cr != low
    mid = np.float32(128)
    factor, add = np.uint32(gain), np.int16(offset)
    # 0 and 255 and a bit, moved down by 2**14: so the whole range of 16 bits is used.
    bottom, top = np.int16(-16384), np.int16(16383)
    cw, ch = (width + 1) >> 1, (height + 1) >> 1
    shade = ring[3 * width : 3 * width + cw]

    for i in range(ch + 1):
        if i < ch:
            b = u[i * u_stride : i * u_stride + cw]
            r = v[i * v_stride : i * v_stride + cw]
            out_b = u_dst[i * c_dst_stride : i * c_dst_stride + cw]
            out_r = v_dst[i * c_dst_stride : i * c_dst_stride + cw]
            # The inner samples in one vectorisable loop; the three at the ends one by one.
            inner = max(0, cw - 3) if moved else cw
            shift = 1 if moved else 0
            for x in range(inner):
                k = x + shift
                if moved:
                    p = (
                        s0 * np.float32(b[x])
                        + s1 * np.float32(b[x + 1])
                        + s2 * np.float32(b[x + 2])
                        + s3 * np.float32(b[x + 3])
                    )
                    q = (
                        s0 * np.float32(r[x])
                        + s1 * np.float32(r[x + 1])
                        + s2 * np.float32(r[x + 2])
                        + s3 * np.float32(r[x + 3])
                    )
                else:
                    p, q = np.float32(b[x]), np.float32(r[x])
                shade[k] = np.int16(np.int32((p - mid) * y_cb + (q - mid) * y_cr + lift) - down)
                t = p * cb_cb + q * cb_cr + cb_add
                out_b[k] = np.uint8(np.int32(min(max(t, low), high)))
                t = p * cr_cb + q * cr_cr + cr_add
                out_r[k] = np.uint8(np.int32(min(max(t, low), high)))
            for e in range(min(3, cw) if moved else 0):
                k = 0 if e == 0 else cw - e
                k0, k2, k3 = max(k - 1, 0), min(k + 1, cw - 1), min(k + 2, cw - 1)
                p = (
                    s0 * np.float32(b[k0])
                    + s1 * np.float32(b[k])
                    + s2 * np.float32(b[k2])
                    + s3 * np.float32(b[k3])
                )
                q = (
                    s0 * np.float32(r[k0])
                    + s1 * np.float32(r[k])
                    + s2 * np.float32(r[k2])
                    + s3 * np.float32(r[k3])
                )
                shade[k] = np.int16(np.int32((p - mid) * y_cb + (q - mid) * y_cr + lift) - down)
                t = p * cb_cb + q * cb_cr + cb_add
                out_b[k] = np.uint8(np.int32(min(max(t, low), high)))
                t = p * cr_cb + q * cr_cr + cr_add
                out_r[k] = np.uint8(np.int32(min(max(t, low), high)))
            if shaded:
                # Across, 3:1 of the two nearest, as a JPEG decoder will do it; down comes below.
                wide = ring[(i % 3) * width : (i % 3 + 1) * width]
                wide[0] = shade[0]
                for x in range((width - 1) >> 1):
                    m, n = int(shade[x]), int(shade[x + 1])
                    wide[2 * x + 1] = np.int16(np.int16(m * 3 + n + 2) >> 2)
                    wide[2 * x + 2] = np.int16(np.int16(n * 3 + m + 2) >> 2)
                if width & 1 == 0:
                    wide[width - 1] = shade[cw - 1]
        # Luma rows 2i - 1 and 2i lie between chroma rows i - 1 and i.
        for j in range(max(0, 2 * i - 1), min(height, 2 * i + 1)):
            near = min(max(j >> 1, 0), ch - 1)
            far = min(max(near - 1 + 2 * (j & 1), 0), ch - 1)
            row = y[j * y_stride : j * y_stride + width]
            out = y_dst[j * y_dst_stride : j * y_dst_stride + width]
            if not shaded:
                for x in range(width):
                    t = np.int32((np.uint32(np.uint32(row[x]) << 8) * factor + 32768) >> 16)
                    t = np.int16(np.int16(t - 16384) + add)
                    out[x] = np.uint8(np.int16(min(max(t, bottom), top) + 16384) >> 7)
                continue
            a = ring[(near % 3) * width : (near % 3 + 1) * width]
            c = ring[(far % 3) * width : (far % 3 + 1) * width]
            for x in range(width):
                t = np.int32((np.uint32(np.uint32(row[x]) << 8) * factor + 32768) >> 16)
                d = np.int16(np.int16(int(a[x]) * 3 + int(c[x]) + 2) >> 2)
                t = np.int16(np.int16(np.int16(t - 16384) + add) + d)
                out[x] = np.uint8(np.int16(min(max(t, bottom), top) + 16384) >> 7)


@kernel(
    U8, INT, U8_IN, U8_IN, U8_IN, INT, INT, INT, INT, INT, INT, INT,
    F32_IN, F32_IN, F32_IN, INT, F32, I16,
)  # fmt: skip
def rgb_full(
    dst: Any,
    dst_stride: int,
    y: Any,
    u: Any,
    v: Any,
    y_stride: int,
    u_stride: int,
    v_stride: int,
    width: int,
    height: int,
    half_x: int,
    half_y: int,
    matrix: Any,
    across: Any,
    down: Any,
    gain: int,
    line: Any,
    adds: Any,
) -> None:
    """YUV to packed RGB, chroma blended linearly where it has half the samples.

    Shapes: luma [height, width]; chroma half of it, rounded up, on the axes with ``half_x``,
    ``half_y`` 1. ``matrix`` [9]: red, green and blue, each from (Cb, Cr, 1). ``across`` and
    ``down`` [4]: weights of chroma samples (i - 1, i) for an even luma position 2i and of
    (i, i + 1) for an odd one. ``line`` [3 * (chroma width + 2)] and ``adds`` [3 * width] are
    scratch.
    Units: ``matrix`` in RGB steps, ``gain`` (of luma) in 2**-14 of one. Within 1/50 of a step of
    the exact value before the one rounding.
    Ownership: writes ``dst``, ``line``, ``adds``. Threads: any; scratch belongs to one call.
    """
    # What chroma adds is kept in 2**-6 steps. Lifted by 2**15 it is positive, so that truncation
    # rounds it; half a unit for that, half a step (32 units) for the final rounding.
    fine, lift, drop = np.float32(64), np.float32(32768 + 32 + 0.5), np.int32(32768)
    red_u, red_v, red_1 = matrix[0] * fine, matrix[1] * fine, matrix[2] * fine + lift
    green_u, green_v, green_1 = matrix[3] * fine, matrix[4] * fine, matrix[5] * fine + lift
    blue_u, blue_v, blue_1 = matrix[6] * fine, matrix[7] * fine, matrix[8] * fine + lift
    factor = np.uint32(gain)
    cw = (width + half_x) >> half_x
    ch = (height + half_y) >> half_y
    span = cw + 2
    e0, e1, o0, o1 = across[0], across[1], across[2], across[3]
    # 0 and 255 and a bit, moved down by 2**13: sums reach from -440 to 460 steps, which just fits.
    bottom, top = np.int16(-8192), np.int16(8191)
    for j in range(height):
        if half_y == 1:
            i = j >> 1
            far = min(i + 1, ch - 1) if j & 1 else max(i - 1, 0)
            w_near, w_far = (down[2], down[3]) if j & 1 else (down[1], down[0])
        else:
            i = far = j
            w_near, w_far = np.float32(1), np.float32(0)
        u0 = u[i * u_stride : i * u_stride + cw]
        u1 = u[far * u_stride : far * u_stride + cw]
        v0 = v[i * v_stride : i * v_stride + cw]
        v1 = v[far * v_stride : far * v_stride + cw]
        red = line[1 : cw + 1]
        green = line[span + 1 : span + cw + 1]
        blue = line[2 * span + 1 : 2 * span + cw + 1]
        for x in range(cw):
            p = w_near * np.float32(u0[x]) + w_far * np.float32(u1[x])
            q = w_near * np.float32(v0[x]) + w_far * np.float32(v1[x])
            red[x] = red_u * p + red_v * q + red_1
            green[x] = green_u * p + green_v * q + green_1
            blue[x] = blue_u * p + blue_v * q + blue_1
        for c in range(3):
            wide = line[c * span : (c + 1) * span]
            add = adds[c * width : (c + 1) * width]
            if half_x == 0:
                for x in range(width):
                    add[x] = np.int16(np.int32(wide[x + 1]) - drop)
                continue
            wide[0] = wide[1]
            wide[cw + 1] = wide[cw]
            for x in range(width >> 1):
                add[2 * x] = np.int16(np.int32(e0 * wide[x] + e1 * wide[x + 1]) - drop)
                add[2 * x + 1] = np.int16(np.int32(o0 * wide[x + 1] + o1 * wide[x + 2]) - drop)
            if width & 1:
                add[width - 1] = np.int16(np.int32(e0 * wide[cw - 1] + e1 * wide[cw]) - drop)
        add_r = adds[:width]
        add_g = adds[width : 2 * width]
        add_b = adds[2 * width : 3 * width]
        row = y[j * y_stride : j * y_stride + width]
        out = dst[j * dst_stride : j * dst_stride + 3 * width]
        for x in range(width):
            t = np.int16((np.uint32(np.uint32(row[x]) << 8) * factor + 32768) >> 16)
            t = np.int16(t - 8192)
            out[3 * x] = np.uint8(
                np.int16(min(max(np.int16(t + add_r[x]), bottom), top) + 8192) >> 6
            )
            out[3 * x + 1] = np.uint8(
                np.int16(min(max(np.int16(t + add_g[x]), bottom), top) + 8192) >> 6
            )
            out[3 * x + 2] = np.uint8(
                np.int16(min(max(np.int16(t + add_b[x]), bottom), top) + 8192) >> 6
            )
