"""Separable resampling of one plane with tables of taps, any factor, both ways.

Vertical first: a weighted sum of whole source rows is one long vectorisable loop, and it leaves a
single row for the horizontal pass, which therefore costs little when the picture shrinks.
The same loops average areas and run the polyphase filter: only the tables differ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import F32, F32_IN, I32_IN, INT, U8_IN, U16_IN, kernel

_TABLE = (I32_IN, F32_IN, INT)
_TYPES = (F32, *(INT,) * 5, F32, *_TABLE, *_TABLE, *(INT,) * 3)


def _resample(
    src: Any,
    dst: Any,
    dst_stride: int,
    src_stride: int,
    src_x: int,
    src_rows: int,
    columns: int,
    acc: Any,
    v_starts: Any,
    v_weights: Any,
    v_taps: int,
    h_starts: Any,
    h_weights: Any,
    h_taps: int,
    width: int,
    first: int,
    rows: int,
) -> None:
    """Rows ``first`` to ``first + rows`` of the resampled plane, written to ``dst`` from its start.

    Shapes: ``src`` flat, rows ``src_stride`` apart; columns ``src_x`` to ``src_x + columns`` of
    its ``src_rows`` rows are read. ``v_starts`` [target rows] counts rows, ``h_starts`` [width]
    columns, both of the whole plane; weights are [target, taps], taps 1 or a multiple of 4.
    A table may run over the edge where its weights are zero. ``acc`` [columns + h_taps] is scratch.
    Units: samples as they are in the file, results in the same unit, float32, unrounded.
    Ownership: writes ``dst`` (``rows`` x ``width``, ``dst_stride`` apart) and ``acc`` only.
    Threads: any; ``acc`` belongs to one call.
    """
    zero = np.float32(0)
    for x in range(columns, columns + h_taps):
        acc[x] = zero
    line = acc[:columns]
    last = src_rows - 1
    for j in range(rows):
        start = v_starts[first + j]
        table = v_weights[(first + j) * v_taps : (first + j + 1) * v_taps]
        if v_taps == 1:
            at = start * src_stride + src_x
            row0 = src[at : at + columns]
            for x in range(columns):
                line[x] = np.float32(row0[x])
        else:
            for k in range(0, v_taps, 4):
                w0, w1, w2, w3 = table[k], table[k + 1], table[k + 2], table[k + 3]
                if k > 0 and w0 == zero and w1 == zero and w2 == zero and w3 == zero:
                    break
                at = min(start + k, last) * src_stride + src_x
                row0 = src[at : at + columns]
                at = min(start + k + 1, last) * src_stride + src_x
                row1 = src[at : at + columns]
                at = min(start + k + 2, last) * src_stride + src_x
                row2 = src[at : at + columns]
                at = min(start + k + 3, last) * src_stride + src_x
                row3 = src[at : at + columns]
                if k == 0:
                    for x in range(columns):
                        line[x] = (
                            w0 * np.float32(row0[x])
                            + w1 * np.float32(row1[x])
                            + w2 * np.float32(row2[x])
                            + w3 * np.float32(row3[x])
                        )
                else:
                    for x in range(columns):
                        line[x] += (
                            w0 * np.float32(row0[x])
                            + w1 * np.float32(row1[x])
                            + w2 * np.float32(row2[x])
                            + w3 * np.float32(row3[x])
                        )
        out = dst[j * dst_stride : j * dst_stride + width]
        if h_taps == 1:
            for x in range(width):
                out[x] = acc[h_starts[x] - src_x]
        elif h_taps == 4:
            for x in range(width):
                at = h_starts[x] - src_x
                a = acc[at : at + 4]
                w = h_weights[x * 4 : x * 4 + 4]
                out[x] = (a[0] * w[0] + a[1] * w[1]) + (a[2] * w[2] + a[3] * w[3])
        else:
            # Four running sums: the compiler makes them one vector without leave to reorder.
            for x in range(width):
                at = h_starts[x] - src_x
                a = acc[at : at + h_taps]
                w = h_weights[x * h_taps : x * h_taps + h_taps]
                s0 = a[0] * w[0] + a[4] * w[4]
                s1 = a[1] * w[1] + a[5] * w[5]
                s2 = a[2] * w[2] + a[6] * w[6]
                s3 = a[3] * w[3] + a[7] * w[7]
                for k in range(8, h_taps, 4):
                    s0 += a[k] * w[k]
                    s1 += a[k + 1] * w[k + 1]
                    s2 += a[k + 2] * w[k + 2]
                    s3 += a[k + 3] * w[k + 3]
                out[x] = (s0 + s1) + (s2 + s3)


resample_u8 = kernel(U8_IN, *_TYPES)(_resample)
resample_u16 = kernel(U16_IN, *_TYPES)(_resample)
