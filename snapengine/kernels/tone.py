"""Source R'G'B' to what an sRGB screen shows: light, HDR rolled off, primaries, and back to codes.

Curves are tables. Light spans many powers of two, so its tables are read by the bits of the float
itself: exponent and the top of the mantissa make a logarithmic index without a logarithm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import F32, F32_IN, INT, kernel


@kernel(F32, F32_IN, F32_IN, F32_IN, INT, INT, F32_IN, F32_IN, F32_IN)
def show(
    dst: Any,
    a: Any,
    b: Any,
    c: Any,
    samples: int,
    kind: int,
    affine: Any,
    numbers: Any,
    tables: Any,
) -> None:
    """Three planes of source codes to R', G', B' of sRGB.

    Codes become a signal by ``affine``, clipped to 0..1, and light by a table. ``kind`` 2 (HLG)
    multiplies scene light by a power of its luminance; 1 and 2 (HDR) multiply all three components
    by one factor that depends on the largest of them; 0 does neither. Then primaries change.
    Colours outside of the target move straight to its white at the same luminance until nothing is
    negative, then to black until nothing is above 1. A last table makes codes of light.

    Shapes: ``a``, ``b``, ``c`` at least ``samples``; ``dst`` three packed planes of ``samples``.
    ``affine`` [12]: three rows of (a, b, c, 1). ``numbers`` [27]: coded light to light of the
    source's primaries [9], luminance weights of these [3], the way to target primaries [9],
    luminance weights of these [3], and for each of the last three tables what is added to light
    before its bits are read [3]. ``tables`` [4097 + 3 * 6400]: signal to light in steps of 2**-12;
    factor of HLG by luminance; factor of HDR by light; code by light. The last three have 512, 512
    and 1024 entries for each power of two, from the added number on.
    Units: light 1 is the white of the result; codes of the result 0..255, not rounded.
    Ownership: writes ``dst``, which must not overlap the rest. Threads: any.
    """
    zero, one, half_up = np.float32(0), np.float32(1), np.float32(0.5)
    steps, tiny, most = np.float32(4096), np.float32(1e-20), np.float32(63)
    to_light, to_display = tables[0:4097], tables[4097:10497]
    to_range, to_code = tables[10497:16897], tables[16897:23297]
    red, green, blue = dst[0:samples], dst[samples : 2 * samples], dst[2 * samples : 3 * samples]
    m0, m1, m2, m3 = affine[0], affine[1], affine[2], affine[3]
    m4, m5, m6, m7 = affine[4], affine[5], affine[6], affine[7]
    m8, m9, m10, m11 = affine[8], affine[9], affine[10], affine[11]
    l0, l1, l2, l3, l4 = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    l5, l6, l7, l8 = numbers[5], numbers[6], numbers[7], numbers[8]
    wr, wg, wb = numbers[9], numbers[10], numbers[11]
    p0, p1, p2, p3, p4 = numbers[12], numbers[13], numbers[14], numbers[15], numbers[16]
    p5, p6, p7, p8 = numbers[17], numbers[18], numbers[19], numbers[20]
    vr, vg, vb = numbers[21], numbers[22], numbers[23]
    add_display, add_range, add_code = numbers[24], numbers[25], numbers[26]
    # Half a step is added to the bits, so that the nearest entry is read.
    from_display = np.uint32(np.float32(add_display).view(np.uint32) - np.uint32(1 << 13))
    from_range = np.uint32(np.float32(add_range).view(np.uint32) - np.uint32(1 << 13))
    from_code = np.uint32(np.float32(add_code).view(np.uint32) - np.uint32(1 << 12))
    # One short loop for each step, over so few samples that they stay in the L1 cache: the compiler
    # makes vectors of these, and none of the whole (measured: three times as fast).
    for first in range(0, samples, 1024):
        n = min(1024, samples - first)
        p, q, o = a[first : first + n], b[first : first + n], c[first : first + n]
        r, g, h = red[first : first + n], green[first : first + n], blue[first : first + n]
        for i in range(n):
            s, t, u = p[i], q[i], o[i]
            x = min(max(s * m0 + t * m1 + u * m2 + m3, zero), one) * steps + half_up
            y = min(max(s * m4 + t * m5 + u * m6 + m7, zero), one) * steps + half_up
            z = min(max(s * m8 + t * m9 + u * m10 + m11, zero), one) * steps + half_up
            r[i] = to_light[np.uint32(np.int32(x))]
            g[i] = to_light[np.uint32(np.int32(y))]
            h[i] = to_light[np.uint32(np.int32(z))]
        if kind != 0:
            for i in range(n):
                x, y, z = r[i], g[i], h[i]
                r[i] = x * l0 + y * l1 + z * l2
                g[i] = x * l3 + y * l4 + z * l5
                h[i] = x * l6 + y * l7 + z * l8
        if kind == 2:
            for i in range(n):
                v = min(max(r[i] * wr + g[i] * wg + h[i] * wb, zero), one) + add_display
                bits = np.uint32(np.float32(v).view(np.uint32) - from_display)
                f = to_display[bits >> np.uint32(14)]
                r[i], g[i], h[i] = r[i] * f, g[i] * f, h[i] * f
        if kind != 0:
            for i in range(n):
                v = min(max(max(r[i], g[i]), max(h[i], zero)), most) + add_range
                bits = np.uint32(np.float32(v).view(np.uint32) - from_range)
                f = to_range[bits >> np.uint32(14)]
                r[i], g[i], h[i] = r[i] * f, g[i] * f, h[i] * f
        for i in range(n):
            s, t, u = r[i], g[i], h[i]
            x = s * p0 + t * p1 + u * p2
            y = s * p3 + t * p4 + u * p5
            z = s * p6 + t * p7 + u * p8
            v = max(x * vr + y * vg + z * vb, zero)
            f = v / max(v - min(min(x, y), min(z, zero)), tiny)
            x, y, z = v + (x - v) * f, v + (y - v) * f, v + (z - v) * f
            f = one / max(max(x, y), max(z, one))
            r[i] = min(max(x * f, zero), one) + add_code
            g[i] = min(max(y * f, zero), one) + add_code
            h[i] = min(max(z * f, zero), one) + add_code
        for i in range(n):
            x, y, z = r[i], g[i], h[i]
            r[i] = to_code[np.uint32(np.float32(x).view(np.uint32) - from_code) >> np.uint32(13)]
            g[i] = to_code[np.uint32(np.float32(y).view(np.uint32) - from_code) >> np.uint32(13)]
            h[i] = to_code[np.uint32(np.float32(z).view(np.uint32) - from_code) >> np.uint32(13)]
