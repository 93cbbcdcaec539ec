"""One look at a small picture, and what its blocks hold: levels, colours, bends, strokes.

Everything is counted in whole numbers, and blocks, planes and runs are laid out the same way from
both ends of a line: a mirrored picture gives exactly the mirrored counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import F32, I16, I32_IN, INT, U8, U8_IN, kernel

_I16_IN, _I32 = "const int16[:]", "int32[:]"

#: Numbers that ``tally`` writes for each block, and its rows of scratch.
TALLIES = 13
#: Numbers that ``bends`` writes for each block: one for each direction.
DIRECTIONS = 4


@kernel(U8_IN, U8_IN, U8_IN, INT, I32_IN, INT, I32_IN, INT, _I32, _I32, _I32)
def tally(
    y: Any,
    cb: Any,
    cr: Any,
    width: int,
    across: Any,
    columns: int,
    down: Any,
    rows: int,
    levels: Any,
    out: Any,
    scratch: Any,
) -> None:
    """Histogram of ``y``, and of every block: sums, squares, least and largest of all components.

    Shapes: planes packed, ``width`` samples a row; ``across`` [columns + 1] and ``down``
    [rows + 1]: where blocks begin and end. ``levels`` [256], added to. ``out`` [rows * columns *
    13], block after block: sum, sum of squares, least, largest of y; sum, squares, least, largest
    of cb; the same of cr; sum of cb * cr. ``scratch`` [13 * width].
    Units: codes; at most 33,000 samples in a block, so that squares stay below 2**31.
    Ownership: writes ``levels``, ``out`` and ``scratch``. Threads: any.
    """
    s0, s1 = scratch[0:width], scratch[width : 2 * width]
    s2, s3 = scratch[2 * width : 3 * width], scratch[3 * width : 4 * width]
    s4, s5 = scratch[4 * width : 5 * width], scratch[5 * width : 6 * width]
    s6, s7 = scratch[6 * width : 7 * width], scratch[7 * width : 8 * width]
    s8, s9 = scratch[8 * width : 9 * width], scratch[9 * width : 10 * width]
    s10, s11 = scratch[10 * width : 11 * width], scratch[11 * width : 12 * width]
    s12 = scratch[12 * width : 13 * width]
    for j in range(rows):
        for x in range(width):
            s0[x] = s1[x] = s3[x] = s4[x] = s5[x] = s7[x] = s8[x] = s9[x] = s11[x] = s12[x] = 0
            s2[x] = s6[x] = s10[x] = 255
        for i in range(down[j], down[j + 1]):
            p, q, r = y[i * width :], cb[i * width :], cr[i * width :]
            for x in range(width):
                levels[p[x]] += 1
            # Down the columns first: these loops become vectors, sums over eight samples do not.
            for x in range(width):
                v = np.int32(p[x])
                s0[x] += v
                s1[x] += np.int32(v * v)
                s2[x] = min(s2[x], v)
                s3[x] = max(s3[x], v)
            for x in range(width):
                v = np.int32(q[x])
                s4[x] += v
                s5[x] += np.int32(v * v)
                s6[x] = min(s6[x], v)
                s7[x] = max(s7[x], v)
            for x in range(width):
                v = np.int32(r[x])
                s8[x] += v
                s9[x] += np.int32(v * v)
                s10[x] = min(s10[x], v)
                s11[x] = max(s11[x], v)
                s12[x] += np.int32(v * np.int32(q[x]))
        for k in range(columns):
            block = out[(j * columns + k) * 13 : (j * columns + k + 1) * 13]
            for n in range(13):
                line = scratch[n * width : (n + 1) * width]
                v = line[across[k]]
                if n == 2 or n == 6 or n == 10:
                    for x in range(across[k] + 1, across[k + 1]):
                        v = min(v, line[x])
                elif n == 3 or n == 7 or n == 11:
                    for x in range(across[k] + 1, across[k + 1]):
                        v = max(v, line[x])
                else:
                    for x in range(across[k] + 1, across[k + 1]):
                        v += line[x]
                block[n] = v


@kernel(U8_IN, INT, I32_IN, INT, I32_IN, INT, F32, _I32)
def shrink(
    plane: Any,
    width: int,
    across: Any,
    columns: int,
    down: Any,
    rows: int,
    out: Any,
    scratch: Any,
) -> None:
    """Means over blocks, none of which may be empty.

    Shapes: ``plane`` packed, ``width`` samples a row; ``across`` [columns + 1] and ``down``
    [rows + 1]: where blocks begin and end; ``out`` [rows * columns]; ``scratch`` [width].
    Units: codes; sums of a block stay below 2**31.
    Ownership: writes ``out`` and ``scratch``. Threads: any.
    """
    for j in range(rows):
        for x in range(width):
            scratch[x] = 0
        for i in range(down[j], down[j + 1]):
            row = plane[i * width : (i + 1) * width]
            for x in range(width):
                scratch[x] += np.int32(row[x])
        tall = down[j + 1] - down[j]
        for k in range(columns):
            v = np.int32(0)
            for x in range(across[k], across[k + 1]):
                v += scratch[x]
            out[j * columns + k] = np.float32(v) / np.float32(tall * (across[k + 1] - across[k]))


@kernel(U8_IN, INT, INT, INT, I16, I16, I16, _I32, _I32)
def layers(
    y: Any,
    width: int,
    height: int,
    step: int,
    one: Any,
    two: Any,
    four: Any,
    down: Any,
    across: Any,
) -> None:
    """Luma averaged over 1, 2x2 and 4x4 samples at every place; and where it steps.

    Shapes: ``y`` and ``one`` packed; ``two`` packed rows of width - 1, height - 1 of them; ``four``
    of width - 3, height - 3 of them (both are left alone when the picture is smaller).
    ``down`` [width - 1]: how many rows differ by more than ``step`` from one column to the next;
    ``across`` [height - 1]: how many columns do from one row to the next; both are added to.
    Units: the averages are in quarters of a code.
    Ownership: writes all but ``y``. Threads: any.
    """
    limit = np.int16(step)
    w2, w4 = width - 1, width - 3
    for i in range(height):
        row, out = y[i * width : (i + 1) * width], one[i * width : (i + 1) * width]
        for x in range(width):
            out[x] = np.int16(np.int16(row[x]) << 2)
        a, b = y[i * width :], y[i * width + 1 :]
        for x in range(w2):
            d = np.int16(np.int16(a[x]) - np.int16(b[x]))
            down[x] += np.int32(max(d, np.int16(-d)) > limit)
        if i == 0:
            continue
        above = y[(i - 1) * width :]
        n = np.int32(0)
        for x in range(width):
            d = np.int16(np.int16(a[x]) - np.int16(above[x]))
            n += np.int32(max(d, np.int16(-d)) > limit)
        across[i - 1] += n
        c, out = y[(i - 1) * width + 1 :], two[(i - 1) * w2 :]
        for x in range(w2):
            left = np.int16(np.int16(a[x]) + np.int16(above[x]))
            out[x] = np.int16(left + np.int16(np.int16(b[x]) + np.int16(c[x])))
    if w4 < 1:
        return
    for i in range(height - 3):
        a0, a2 = two[i * w2 :], two[i * w2 + 2 :]
        c0, c2 = two[(i + 2) * w2 :], two[(i + 2) * w2 + 2 :]
        out = four[i * w4 :]
        for x in range(w4):
            v = np.int16(np.int16(a0[x] + a2[x]) + np.int16(c0[x] + c2[x]))
            out[x] = np.int16(v >> 2)


@kernel(_I16_IN, INT, INT, I32_IN, INT, I32_IN, INT, _I32, _I32)
def bends(
    plane: Any,
    stride: int,
    step: int,
    across: Any,
    columns: int,
    down: Any,
    rows: int,
    out: Any,
    scratch: Any,
) -> None:
    """Sums over blocks of squared second differences, ``step`` apart, in four directions.

    A second difference is a[-step] - 2 a[0] + a[step]: along the row, the column, and the two
    diagonals. Blocks must keep ``step`` samples away from the borders.
    Shapes: ``plane`` packed rows, ``stride`` samples apart; ``across`` [columns + 1], ``down``
    [rows + 1]; ``out`` [rows * columns * 4]; ``scratch`` [4 * stride].
    Units: samples up to 1020, and at most 255 of them in a block: sums stay below 2**31.
    Ownership: writes ``out`` and ``scratch``. Threads: any.
    """
    first, last = across[0], across[columns]
    n = last - first
    s0, s1 = scratch[0:n], scratch[stride : stride + n]
    s2, s3 = scratch[2 * stride : 2 * stride + n], scratch[3 * stride : 3 * stride + n]
    for j in range(rows):
        for x in range(n):
            s0[x] = s1[x] = s2[x] = s3[x] = 0
        for i in range(down[j], down[j + 1]):
            # Nine views, each read at x: an index with a sum in it could be negative for all the
            # compiler knows, and it would make no vectors.
            at = (i - step) * stride + first
            a0, a1, a2 = plane[at - step :], plane[at:], plane[at + step :]
            at = i * stride + first
            b0, b1, b2 = plane[at - step :], plane[at:], plane[at + step :]
            at = (i + step) * stride + first
            c0, c1, c2 = plane[at - step :], plane[at:], plane[at + step :]
            for x in range(n):
                v = np.int32(np.int32(b0[x]) + np.int32(b2[x]) - 2 * np.int32(b1[x]))
                s0[x] += np.int32(v * v)
            for x in range(n):
                v = np.int32(np.int32(a1[x]) + np.int32(c1[x]) - 2 * np.int32(b1[x]))
                s1[x] += np.int32(v * v)
            for x in range(n):
                v = np.int32(np.int32(a0[x]) + np.int32(c2[x]) - 2 * np.int32(b1[x]))
                s2[x] += np.int32(v * v)
            for x in range(n):
                v = np.int32(np.int32(a2[x]) + np.int32(c0[x]) - 2 * np.int32(b1[x]))
                s3[x] += np.int32(v * v)
        for k in range(columns):
            block = out[(j * columns + k) * 4 : (j * columns + k + 1) * 4]
            for d in range(4):
                line = scratch[d * stride : d * stride + n]
                v = np.int32(0)
                for x in range(across[k] - first, across[k + 1] - first):
                    v += line[x]
                block[d] = v


@kernel(U8_IN, INT, INT, INT, INT, INT, U8, _I32, _I32)
def strokes(
    y: Any,
    width: int,
    height: int,
    rise: int,
    gap: int,
    least: int,
    mask: Any,
    counts: Any,
    scratch: Any,
) -> None:
    """Marks where a row goes up and down as it does across a line of text.

    Turning points are peaks and valleys that differ by at least ``rise`` from their neighbours. A
    run of at least ``least`` of them, no two more than ``gap`` samples apart, is marked when its
    peaks or its valleys are all of nearly one level (mean deviation below a quarter of the height
    of the strokes), as ink or paper is and grass is not.
    Shapes: ``y`` and ``mask`` packed; ``mask`` is 0 or 1, ``counts`` [4] is added to: turning
    points, those within marked runs, marked runs, rows with one. ``scratch`` [2 * width + 4].
    Units: ``rise`` in codes, ``gap`` in samples.
    Ownership: writes ``mask``, ``counts`` and ``scratch``. Threads: any.
    """
    places, values = scratch[0 : width + 2], scratch[width + 2 : 2 * width + 4]
    for i in range(height):
        row, marks = y[i * width : (i + 1) * width], mask[i * width : (i + 1) * width]
        low, high = np.int32(row[0]), np.int32(row[0])
        low_at, low_end, high_at, high_end = 0, 0, 0, 0
        n, way = 0, 0
        for x in range(width):
            marks[x] = np.uint8(0)
            v = np.int32(row[x])
            if v < low:
                low, low_at, low_end = v, x, x
            elif v == low:
                low_end = x
            if v > high:
                high, high_at, high_end = v, x, x
            elif v == high:
                high_end = x
            if way >= 0 and high - v >= rise:
                # Down from a peak far enough: the peak is one. (``way`` 0: the first is not known.)
                places[n], values[n] = np.int32(high_at + high_end), high
                n += 1
                way = -1
                low, low_at, low_end = v, x, x
            elif way <= 0 and v - low >= rise:
                places[n], values[n] = np.int32(low_at + low_end), low
                n += 1
                way = 1
                high, high_at, high_end = v, x, x
        if way == 0:
            continue
        if way > 0:
            places[n], values[n] = np.int32(high_at + high_end), high
        else:
            places[n], values[n] = np.int32(low_at + low_end), low
        n += 1
        counts[0] += np.int32(n)
        any_run = np.int32(0)
        begin = 0
        while begin < n:
            end = begin + 1
            while end < n and places[end] - places[end - 1] <= 2 * gap:
                end += 1
            if end - begin >= least:
                e, o, ne, no = 0, 0, 0, 0
                for k in range(begin, end):
                    if (k - begin) % 2 == 0:
                        e, ne = e + values[k], ne + 1
                    else:
                        o, no = o + values[k], no + 1
                de, do = 0, 0
                for k in range(begin, end):
                    if (k - begin) % 2 == 0:
                        de += abs(values[k] * ne - e)
                    else:
                        do += abs(values[k] * no - o)
                # Means are e / ne and o / no, mean deviations de / ne**2 and do / no**2.
                tall = abs(e * no - o * ne)
                if 4 * de * no < tall * ne or 4 * do * ne < tall * no:
                    counts[1] += np.int32(end - begin)
                    counts[2] += np.int32(1)
                    any_run = np.int32(1)
                    for x in range((places[begin] + 1) // 2, places[end - 1] // 2 + 1):
                        marks[x] = np.uint8(1)
            begin = end
        counts[3] += any_run
