"""Completing a field, sample by sample and by the book: the twin of the kernel. int64."""

from __future__ import annotations

import numpy as np


def _lines(plane: np.ndarray, y: int, width: int) -> list[np.ndarray]:
    """Lines y - 3 to y + 3, mirrored at the ends; 8 columns repeated on both sides."""
    height = plane.shape[0]
    found = []
    for i in range(y - 3, y + 4):
        i = abs(i)
        i = i if i < height else 2 * (height - 1) - i
        found.append(np.pad(plane[i], 8, mode="edge"))
    return found


def scores(plane: np.ndarray, y: int, detail: int) -> np.ndarray:
    """How much line ``y`` alternates with its neighbours, over seven lines and nine columns."""
    a, b, c, d, e, f, g = _lines(plane.astype(np.int64), y, plane.shape[1])
    between = (
        abs(a - 4 * b + 6 * c - 4 * d + e)
        + abs(b - 4 * c + 6 * d - 4 * e + f)
        + abs(c - 4 * d + 6 * e - 4 * f + g)
    )
    within = abs(a - 2 * c + e) + abs(b - 2 * d + f) + abs(c - 2 * e + g)
    score = (between - detail * within) >> 3
    return np.asarray([score[x + 4 : x + 13].sum() for x in range(plane.shape[1])])


def count(plane: np.ndarray, other: int, down: int, detail: int, bar: int) -> np.ndarray:
    """Samples, of every fourth line, whose score passes ``bar``, by tiles of 32 x 16."""
    height, width = plane.shape
    tiles = np.zeros((-(-height // 16), -(-width // 32)), np.int64)
    for y in range(other, height, 4):
        for x in np.flatnonzero(scores(plane >> down, y, detail) > bar):
            tiles[y // 16, x // 32] += 1
    return tiles.clip(0, 255)


def complete(
    plane: np.ndarray, other: int, down: int, detail: int, bar: int, tiles: np.ndarray
) -> np.ndarray:
    """The plane with its second field replaced where tiles are set and scores pass ``bar``."""
    out = plane.astype(np.int64)
    height, width = plane.shape
    for y in range(other, height, 2):
        share = (scores(plane >> down, y, detail) - bar).clip(0, 64)
        fine = _lines(plane.astype(np.int64), y, width)
        coarse = _lines((plane >> down).astype(np.int64), y, width)
        for x in range(width):
            if not tiles[y // 16, x // 32]:
                continue
            i = x + 8

            def unlike(j: int, i: int = i, c: list[np.ndarray] = coarse) -> int:
                return int(sum(abs(c[2][i + j + k] - c[4][i - j + k]) for k in (-1, 0, 1)))

            u, d = int(fine[2][i]), int(fine[4][i])
            value = (9 * (u + d) - int(fine[0][i]) - int(fine[6][i]) + 8) >> 4
            value = min(max(value, min(u, d)), max(u, d))
            best = unlike(0) - 1
            for way in (-1, 1):
                if unlike(way) < best:
                    j = 2 * way if unlike(2 * way) < unlike(way) else way
                    best = unlike(j)
                    value = (int(fine[2][i + j]) + int(fine[4][i - j]) + 1) >> 1
            old = int(plane[y, x])
            out[y, x] = old + (((value - old) * int(share[x]) + 32) >> 6)
    return out
