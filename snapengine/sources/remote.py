"""A remote file as a :class:`PlannedSource`: what is planned is fetched ahead, in parallel.

The only place with threads for the network. Workers fetch blocks, each over one connection; they
start when there is something to fetch and end when there is not, so that an idle video holds none.
Readers wait for the bytes they need, not for whole blocks.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from ..errors import EngineClosed, SnapError, SourceError
from .base import ByteRange, Fetcher, MeteredSource
from .blocks import Block, Blocks, pieces
from .disk_cache import DiskCache
from .file_on_disk import FileOnDisk
from .forking import mind_forks
from .meter import Meter

#: The first request: most headers, or the place of the rest; little enough to be wasted.
FIRST_BYTES: Final = 60 << 10
#: What nobody planned is read in steps of this size, doubled while reading goes on in order.
_STEP: Final = 32 << 10
_LARGEST_STEP: Final = 1 << 20
#: So many places are remembered from which reading may go on.
_PLACES: Final = 8
#: Larger ranges are fetched over several connections.
_PIECE: Final = 1 << 20
#: So few bytes are sooner here than a new connection.
_NEARLY: Final = 64 << 10
#: Seconds to wait for workers that have been told to end.
_PATIENCE: Final = 0.25
#: Seconds between two looks at a call's limits while waiting.
_LOOK: Final = 0.5


class RemoteFile:
    """Blocks of one remote file, kept in memory up to a bound and, optionally, on disk.

    Thread-safe. ``connections``: at most so many fetches at a time. ``cache_bytes``: bound of the
    memory; half of it may be filled with what was planned and not read yet.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        connections: int,
        cache_bytes: int,
        disk: DiskCache | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._connections = connections
        self._blocks = Blocks(cache_bytes)
        self._ahead_bytes = max(cache_bytes // 2, 2 * _PIECE)
        self._changed = threading.Condition()
        self._urgent: deque[Block] = deque()
        self._planned: deque[Block] = deque()
        self._workers: list[threading.Thread] = []
        self._coming: list[Block] = []
        self._orders = 0
        self._expected: dict[Meter, deque[Block]] = {}
        self._ahead = 0  # bytes of planned blocks that have been started and not read
        self._steps: dict[int, int] = {}  # where reading stopped -> its last step
        self._end: int | None = None  # found by reading, where the server does not tell
        self._begun = self._closed = False
        self._disk = None if disk is None else FileOnDisk(disk)
        mind_forks(self)

    def forget_parent(self) -> None:
        """See :mod:`.forking`: no worker is there, what they were fetching does not come."""
        self._changed = threading.Condition()
        self._workers.clear()
        self._coming.clear()
        self._urgent.clear()
        self._planned.clear()
        self._expected.clear()
        for block in [b for b in self._blocks if b.state != "here"]:
            self._blocks.remove(block)
        for block in self._blocks:
            block.unread = False
        self._ahead = 0

    # -- facts ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._fetcher.name

    @property
    def size(self) -> int | None:
        known = self._fetcher.size
        return self._end if known is None else known

    @property
    def fetcher(self) -> Fetcher:
        """Where its bytes come from."""
        return self._fetcher

    @property
    def location(self) -> str | None:
        """Where redirects led to, as far as the fetcher tells: what references are relative to."""
        found = getattr(self._fetcher, "location", None)
        return found if isinstance(found, str) else None

    # -- reading ----------------------------------------------------------------------------

    def read_at(self, offset: int, size: int) -> bytes:
        """All of a range, at nobody's charge."""
        return MeteredSource(self, Meter()).read_at(offset, size)

    def read_some(self, offset: int, size: int, meter: Meter) -> bytes:
        """See :class:`PlannedSource`."""
        if size <= 0:
            return b""
        with self._changed:
            while True:
                self._check(meter)
                end = self.size
                if end is not None and offset >= end:
                    return b""
                block = self._blocks.at(offset)
                if block is None:
                    block = self._from_disk(offset, meter) or self._demand(offset, size, meter)
                at = offset - block.offset
                if block.filled > at:
                    data = bytes(memoryview(block.data)[at : min(at + size, block.filled)])
                    self._note_read(block, at + len(data))
                    return data
                if block.state == "failed":
                    self._blocks.remove(block)
                    # What ended somebody else's call is not this one's business.
                    if block.meter is meter and block.error is not None:
                        raise block.error
                else:
                    if block.state == "waiting" and block not in self._urgent:
                        self._planned.remove(block)
                        self._urgent.append(block)
                    self._start_workers()
                    self._wait(meter)

    def expect(self, ranges: Sequence[ByteRange], meter: Meter) -> None:
        """See :class:`PlannedSource`. Ranges that overlap what is at hand cost nothing again."""
        with self._changed:
            self._check(meter)
            end = self.size
            for offset, size in ranges:
                if end is not None:
                    size = min(size, end - offset)
                for gap in self._missing(offset, size):
                    for piece in pieces(gap, _PIECE):
                        self._orders += 1
                        block = Block(piece.offset, piece.size, meter, self._orders)
                        self._blocks.add(block)
                        self._planned.append(block)
                        self._expected.setdefault(meter, deque()).append(block)
            self._start_workers()

    def dismiss(self, meter: Meter) -> None:
        """See :class:`PlannedSource`."""
        with self._changed:
            self._expected.pop(meter, None)
            for block in [b for b in self._blocks if b.meter is meter]:
                if block.state == "waiting":
                    self._forget(block)
                self._let_go(block)
                if block.state == "failed":  # nobody comes for it any more
                    self._blocks.remove(block)
            self._blocks.shrink()
            self._changed.notify_all()
        meter.stop(EngineClosed(f"{self.name}: the call is over"))

    def close(self) -> None:
        """End every fetch, wait for the workers, close the connections. Once and for all."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            workers = list(self._workers)
            # What has all its bytes ends by itself: its call goes on, with other files perhaps.
            end = self.size
            meters = {
                b.meter
                for b in self._coming
                if b.offset + b.filled < (b.end if end is None else min(b.end, end))
            }
            for block in [b for b in self._blocks if b.state == "waiting"]:
                self._forget(block)
            self._changed.notify_all()
        for meter in meters:
            meter.stop(EngineClosed(f"{self.name}: the video is closed"))
        if meters:
            self._fetcher.close()
        ends = time.monotonic() + _PATIENCE
        for worker in workers:
            if worker is not threading.current_thread():
                # A resolver and a caller's own code cannot be woken; they end by themselves.
                worker.join(max(0.0, ends - time.monotonic()))
        self._fetcher.close()

    # -- inside, with the lock held ---------------------------------------------------------

    def _check(self, meter: Meter) -> None:
        if self._closed:
            raise EngineClosed(f"{self.name}: the video is closed")
        meter.check()

    def _wait(self, meter: Meter) -> None:
        def wake() -> None:
            with self._changed:
                self._changed.notify_all()

        began = time.perf_counter()
        forget = meter.on_stop(wake)
        try:
            self._changed.wait(meter.remaining(_LOOK) + 0.001)
        finally:
            forget()
            meter.waited_seconds += time.perf_counter() - began

    def _missing(self, offset: int, size: int) -> list[ByteRange]:
        """What must be fetched of a range: neither here, nor coming, nor on disk."""
        gaps = self._blocks.missing(offset, max(0, size))
        return gaps if self._disk is None else self._disk.missing(gaps)

    def _from_disk(self, offset: int, meter: Meter) -> Block | None:
        """The block around ``offset`` as the disk cache holds it."""
        found = None if self._disk is None else self._disk.load(offset, self._blocks)
        if found is None:
            return None
        block = Block(found[0], len(found[1]), meter)
        block.data, block.filled, block.state = bytearray(found[1]), block.size, "here"
        block.unread = False
        self._blocks.add(block)
        self._blocks.use(block)
        self._blocks.shrink()
        return block

    def _demand(self, offset: int, size: int, meter: Meter) -> Block:
        """A block for a read that nobody planned."""
        if not self._begun:
            self._begun = True
            wanted = max(size, FIRST_BYTES)
            step = _STEP
        else:
            # Tracks that lie apart are read in turns.
            step = min(2 * self._steps.pop(offset, _STEP // 2), _LARGEST_STEP)
            wanted = max(size, step)
        end = self.size
        if end is not None:
            wanted = min(wanted, end - offset)
        gaps = self._missing(offset, wanted)
        if not gaps or gaps[0].offset != offset:
            gaps = self._blocks.missing(offset, wanted)  # the disk does not have it after all
        first = gaps[0]
        block = Block(offset, min(first.size, max(_PIECE, _LARGEST_STEP)), meter)
        self._steps[block.end] = step
        if len(self._steps) > _PLACES:
            del self._steps[next(iter(self._steps))]
        self._blocks.add(block)
        self._urgent.append(block)
        return block

    def _note_read(self, block: Block, until: int) -> None:
        self._blocks.use(block)
        if block.order:
            expected = self._expected.get(block.meter, deque())
            while expected and expected[0].order < block.order:
                self._let_go(expected.popleft())
            if block.state == "here" and until >= block.size:
                self._let_go(block)
            self._start_workers()
        else:
            self._let_go(block)
        self._blocks.shrink()

    def _let_go(self, block: Block) -> None:
        """A planned block was read, or will not be."""
        if block.unread:
            block.unread = False
            if block.order and block.state in ("coming", "here"):
                self._ahead -= block.size

    def _forget(self, block: Block) -> None:
        """Take back a block that waits."""
        self._blocks.remove(block)
        for queue in (self._urgent, self._planned):
            if block in queue:
                queue.remove(block)

    # -- fetching ---------------------------------------------------------------------------

    def _start_workers(self) -> None:
        ready = Counter(block.meter for block in self._urgent)
        room = self._ahead_bytes - self._ahead
        for block in self._planned:
            room -= block.size
            if room < 0 or ready.total() >= self._connections:
                break
            ready[block.meter] += 1
        # Those that have nearly finished go on with what is next: a new connection takes longer.
        # Only those of the same call: another one's may be stuck.
        ready -= Counter(b.meter for b in self._coming if b.size - b.filled <= _NEARLY)
        starting = ready.total()
        while starting > 0 and len(self._workers) < self._connections and not self._closed:
            worker = threading.Thread(target=self._work, name="snapengine-fetch", daemon=True)
            worker.start()
            self._workers.append(worker)
            starting -= 1

    def _next(self) -> Block | None:
        if self._closed:
            return None
        if self._urgent:
            block = self._urgent.popleft()
        elif self._planned and self._ahead + self._planned[0].size <= self._ahead_bytes:
            block = self._planned.popleft()
        else:
            return None
        block.state = "coming"
        self._coming.append(block)
        if block.order and block.unread:
            self._ahead += block.size
        return block

    def _work(self) -> None:
        try:
            self._work_on()
        except BaseException:
            with self._changed:
                self._workers.remove(threading.current_thread())
            raise

    def _work_on(self) -> None:
        while True:
            with self._changed:
                block = self._next()
                if block is None:
                    self._workers.remove(threading.current_thread())
                    return
            error: BaseException | None = None
            try:
                self._fetch(block)
            except BaseException as exc:  # noqa: BLE001 - it is the reader's, who raises it
                error = exc
            with self._changed:
                self._finish(block, error)
                self._changed.notify_all()
            if error is None and self._disk is not None:
                self._disk.store(block)

    def _fetch(self, block: Block) -> None:
        # What the disk holds is known with the first block: nobody goes on before that.
        whole = self._disk is not None and not self._disk.knows_file and not block.offset

        def sink(piece: bytes) -> None:
            with self._changed:
                block.data += piece
                if not whole:
                    block.filled = len(block.data)
                    self._changed.notify_all()

        self._fetcher.fetch(block.offset, block.size, sink, block.meter)
        if whole and self._disk is not None:
            self._disk.identify(self._fetcher, bytes(block.data))
            with self._changed:
                block.filled = len(block.data)

    def _finish(self, block: Block, error: BaseException | None) -> None:
        asked = block.size
        self._coming.remove(block)
        if error is None:
            if block.filled < asked and self._fetcher.size is None:
                self._end = block.offset + block.filled
            if block.order and block.unread:
                self._ahead -= asked - block.filled
            self._blocks.finish(block)
        else:
            self._let_go(block)
            if isinstance(error, Exception) and not isinstance(error, SnapError):
                error = _unforeseen(self.name, error)
            block.error, block.state = error, "failed"
            if block.meter.stopped and block.filled:
                self._blocks.finish(block)  # the call is over; what came until then is good
            elif block.meter.stopped:
                self._blocks.remove(block)
        self._blocks.shrink()


def _unforeseen(name: str, error: BaseException) -> SnapError:
    failed = SourceError(f"{name}: {type(error).__name__}: {error}", stage="open", source=name)
    failed.__cause__ = error
    return failed
