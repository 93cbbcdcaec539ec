"""What the disk cache holds of one remote file."""

from __future__ import annotations

import hashlib

from .base import ByteRange, Fetcher
from .blocks import Block, Blocks
from .disk_cache import CacheKey, DiskCache


class FileOnDisk:
    """Which ranges of a file are on disk, once its first answer told which file it is.

    :meth:`missing` and :meth:`load` are called under the lock of the file's owner.
    """

    def __init__(self, cache: DiskCache) -> None:
        self._cache = cache
        self._key: CacheKey | None = None
        self._spans: list[ByteRange] = []
        self.knows_file = False

    def identify(self, fetcher: Fetcher, head: bytes) -> None:
        """``head``: the first block. Without a validator nothing is kept."""
        self.knows_file = True
        if fetcher.validator is None or fetcher.size is None:
            return
        # The name has no query, which may be what tells two files apart; their heads do.
        digest = hashlib.blake2b(head, digest_size=16).hexdigest()
        self._key = CacheKey(f"{fetcher.name}#{digest}", fetcher.validator, fetcher.size)
        self._spans = self._cache.spans(self._key)

    def missing(self, gaps: list[ByteRange]) -> list[ByteRange]:
        """The parts of ``gaps`` that are not on disk."""
        for start, length in self._spans:
            left: list[ByteRange] = []
            for gap in gaps:
                low, high = max(gap.offset, start), min(gap.offset + gap.size, start + length)
                if low >= high:
                    left.append(gap)
                    continue
                if low > gap.offset:
                    left.append(ByteRange(gap.offset, low - gap.offset))
                if high < gap.offset + gap.size:
                    left.append(ByteRange(high, gap.offset + gap.size - high))
            gaps = left
        return gaps

    def load(self, offset: int, held: Blocks) -> tuple[int, bytes] | None:
        """The stretch around ``offset`` that is on disk and not held in memory: where it begins,
        and its bytes. ``None`` if there is none."""
        for span in self._spans if self._key is not None else ():
            if not span.offset <= offset < span.offset + span.size:
                continue
            part = next(
                p
                for p in held.missing(span.offset, span.size)
                if p.offset <= offset < p.offset + p.size
            )
            assert self._key is not None
            data = self._cache.get(self._key, part.offset, part.size)
            if data is None:  # damaged, or swept away by another process
                self._spans.remove(span)
                return None
            return part.offset, data
        return None

    def store(self, block: Block) -> None:
        """Keep a finished block."""
        if self._key is None or not block.size:
            return
        end = block.offset + block.size
        if not any(s.offset <= block.offset and end <= s.offset + s.size for s in self._spans):
            self._cache.put(self._key, block.offset, bytes(block.data))
            self._spans.append(ByteRange(block.offset, block.size))
