"""One field of a frame completed to a full picture, from this frame alone.

A line of the other field stays where it continues the lines around it, and is replaced where it
alternates with them, which is what motion between two fields looks like. Fine static detail can
look alike, so this is done in two steps: first tiles are found that show motion beyond doubt, then,
in and around these only, samples are replaced at less evidence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import I16, INT, U8, U8_IN, U16_IN, kernel

_U16, _I32 = "uint16[:]", "int32[:]"
_REST = (*(INT,) * 8, U8, I16, _I32)

#: Columns by which the ends of a line are continued in scratch.
MARGIN = 8
#: Columns and lines of a tile.
TILE_WIDTH, TILE_HEIGHT = 32, 16


def _fields(
    dst: Any,
    src: Any,
    src_stride: int,
    width: int,
    height: int,
    other: int,
    down: int,
    detail: int,
    bar: int,
    draw: int,
    tiles: Any,
    small: Any,
    wide: Any,
) -> None:
    """``draw`` 0: count combed samples in ``tiles``. 1: copy, and replace in tiles that are not 0.

    The score of a sample is the strength of line-by-line alternation, less ``detail`` times that of
    alternation within fields, over 7 lines and 9 columns around it. From ``bar`` on a sample is
    mixed, 64 steps of ``bar``'s unit later it is entirely replaced: by a mean along the direction,
    of five, in which the lines above and below are most alike (as in FFmpeg's yadif), or, straight
    up and down, by four lines of the first field.
    Shapes: ``src`` at least 4 rows of ``width``, ``src_stride`` apart; ``dst`` packed; ``tiles``
    packed, of 32 columns and 16 lines, rounded up. Every second line from ``other`` (0 or 1) on
    belongs to the second field; every fourth is looked at to count. Scratch: ``small``
    [15 * (width + 16)], ``wide`` [4 * (width + 16)].
    Units: samples as stored; shifted right by ``down`` they have 8 bits, and so they are judged.
    ``detail`` in quarters; ``bar`` in 1/27 of the step between two fields in such codes.
    Ownership: writes ``dst`` or ``tiles``, and scratch. Threads: any; scratch belongs to one call.
    """
    edge, span, last = 8, width + 16, height - 1
    zero, weight, level = np.int16(0), np.int16(detail), np.int16(bar)
    across = (width + 31) >> 5
    score, share = small[7 * span : 8 * span], small[8 * span : 9 * span]
    slants = small[9 * span : 15 * span]
    for y in range(height):
        flags = tiles[(y >> 4) * across : ((y >> 4) + 1) * across]
        if draw == 1:
            out = dst[y * width : (y + 1) * width]
            row = src[y * src_stride : y * src_stride + width]
            for x in range(width):
                out[x] = row[x]
            some = np.uint8(0)
            for x in range(across):
                some = max(some, flags[x])
            if (y & 1) != other or some == 0:
                continue
        elif (y & 3) != other:
            continue
        # Lines y - 3 to y + 3, mirrored at the ends, which keeps their parity.
        for k in range(7):
            i = abs(y + k - 3)
            i = i if i <= last else 2 * last - i
            line = small[k * span : (k + 1) * span]
            row = src[i * src_stride : i * src_stride + width]
            body = line[edge : edge + width]
            for x in range(width):
                body[x] = np.int16(row[x] >> down)
            for x in range(edge):
                line[x] = body[0]
                line[edge + width + x] = body[width - 1]
        l0, l1, l2 = small[:span], small[span : 2 * span], small[2 * span : 3 * span]
        l3, l4 = small[3 * span : 4 * span], small[4 * span : 5 * span]
        l5, l6 = small[5 * span : 6 * span], small[6 * span : 7 * span]
        for x in range(span):
            a, b, c, d = l0[x], l1[x], l2[x], l3[x]
            e, f, g = l4[x], l5[x], l6[x]
            p = np.int16(np.int16(a + e) - np.int16(4 * np.int16(b + d)) + np.int16(6 * c))
            q = np.int16(np.int16(b + f) - np.int16(4 * np.int16(c + e)) + np.int16(6 * d))
            r = np.int16(np.int16(c + g) - np.int16(4 * np.int16(d + f)) + np.int16(6 * e))
            between = np.int16(max(p, np.int16(-p)) + max(q, np.int16(-q)) + max(r, np.int16(-r)))
            p = np.int16(np.int16(a + e) - np.int16(2 * c))
            q = np.int16(np.int16(b + f) - np.int16(2 * d))
            r = np.int16(np.int16(c + g) - np.int16(2 * e))
            within = np.int16(max(p, np.int16(-p)) + max(q, np.int16(-q)) + max(r, np.int16(-r)))
            score[x] = np.int16(np.int16(between - np.int16(weight * within)) >> 3)
        # Nine columns, in two steps of three.
        s0, s1, s2 = score, score[1:], score[2:]
        for x in range(span - 2):
            share[x + 1] = np.int16(np.int16(s0[x] + s1[x]) + s2[x])
        s0, s1, s2 = share[edge - 3 :], share[edge:], share[edge + 3 :]
        for x in range(width):
            v = np.int16(np.int16(np.int16(s0[x] + s1[x]) + s2[x]) - level)
            score[x] = min(max(v, zero), np.int16(64))
        if draw == 0:
            for tile in range(across):
                part = score[32 * tile : min(32 * tile + 32, width)]
                count = zero
                for x in range(part.size):
                    count = np.int16(count + min(part[x], np.int16(1)))
                flags[tile] = np.uint8(min(255, flags[tile] + count))
            continue
        # The lines of the first field again, at full depth.
        for k in range(4):
            i = abs(y + 2 * k - 3)
            i = i if i <= last else 2 * last - i
            line32 = wide[k * span : (k + 1) * span]
            row = src[i * src_stride : i * src_stride + width]
            body32 = line32[edge : edge + width]
            for x in range(width):
                body32[x] = np.int32(row[x])
            for x in range(edge):
                line32[x] = body32[0]
                line32[edge + width + x] = body32[width - 1]
        w0, w1 = wide[:span], wide[span : 2 * span]
        w2, w3 = wide[2 * span : 3 * span], wide[3 * span : 4 * span]
        row = src[y * src_stride : y * src_stride + width]
        active = share[:across]
        for tile in range(across):
            active[tile] = zero
            if flags[tile] != 0:
                part = score[32 * tile : min(32 * tile + 32, width)]
                most = zero
                for x in range(part.size):
                    most = max(most, part[x])
                active[tile] = most
        # Runs of tiles in which something is replaced.
        tile = 0
        while tile < across:
            if active[tile] == zero:
                tile += 1
                continue
            first = 32 * tile
            while tile < across and active[tile] != zero:
                tile += 1
            n = min(32 * tile, width) - first
            at = edge + first
            part = score[first : first + n]
            old, new = row[first : first + n], out[first : first + n]
            # Five slants: how unlike both lines are over three columns, and which is best. Short
            # loops over few arrays: of longer ones the compiler makes no vectors.
            u, v = l2[at - 3 : at + n + 3], l4[at - 3 : at + n + 3]
            for k in range(5):
                d = slants[k * span : k * span + n + 2]
                p16, q16 = u[k : k + n + 2], v[4 - k : 6 - k + n]
                for x in range(n + 2):
                    d[x] = np.int16(max(p16[x], q16[x]) - min(p16[x], q16[x]))
                for x in range(n):
                    d[x] = np.int16(np.int16(d[x] + d[x + 1]) + d[x + 2])
            d0, d1, d2 = slants[:n], slants[span : span + n], slants[2 * span : 2 * span + n]
            d3, d4 = slants[3 * span : 3 * span + n], slants[4 * span : 4 * span + n]
            ways = slants[5 * span : 5 * span + n]
            for x in range(n):
                best = np.int16(d2[x] - 1)
                side = d1[x]
                far = d0[x]
                way = np.int16(0) if far < side else np.int16(1)
                way = way if side < best else np.int16(2)
                best = min(far, side) if side < best else best
                side = d3[x]
                far = d4[x]
                other_way = np.int16(4) if far < side else np.int16(3)
                ways[x] = other_way if side < best else way
            u0, u1 = w0[at : at + n], w1[at - 2 : at + n + 2]
            v0, v1 = w3[at : at + n], w2[at - 2 : at + n + 2]
            for x in range(n):
                over, under = u1[x + 2], v1[x + 2]
                value = np.int32(np.int32(9 * np.int32(over + under)) - np.int32(u0[x] + v0[x]))
                value = np.int32(np.int32(value + 8) >> 4)
                value = min(max(value, min(over, under)), max(over, under))
                go = ways[x]
                value = np.int32(np.int32(u1[x] + v1[x + 4] + 1) >> 1) if go == 0 else value
                value = np.int32(np.int32(u1[x + 1] + v1[x + 3] + 1) >> 1) if go == 1 else value
                value = np.int32(np.int32(u1[x + 3] + v1[x + 1] + 1) >> 1) if go == 3 else value
                value = np.int32(np.int32(u1[x + 4] + v1[x] + 1) >> 1) if go == 4 else value
                was = np.int32(old[x])
                mixed = np.int32(np.int32(value - was) * np.int32(part[x]))
                new[x] = np.int32(was + np.int32(np.int32(mixed + 32) >> 6))


fields_u8 = kernel(U8, U8_IN, *_REST)(_fields)
fields_u16 = kernel(_U16, U16_IN, *_REST)(_fields)
