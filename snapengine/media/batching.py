"""A plan's runs -> batches of packets, each of which a decoder can work on alone.

The batcher drives a demuxer: it seeks by the plan, reads, lets :class:`Selector` decide what each
packet is for, and cuts where decoding may start afresh. Where there is no index it finds the
keyframes by seeking and looking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from ..errors import SeekFailed
from ..model.media import Keyframe
from ..model.plan import Run, Target
from .batch import Batch, Pairs, lone_keyframe
from .demuxer import Demuxer, VideoPacket
from .looking import STEP_BACK_SECONDS, seek_before
from .selection import Action, Selector
from .surroundings import Neighbour, Surroundings

#: A batch whose packets exceed this is handed over unfinished and streamed: one GOP of a
#: screen recording can be the whole file.
BATCH_BYTES = 8 << 20
#: Without an index: read on when the target is at most this many seconds ahead; a seek there is a
#: bisection of several reads that lands up to a GOP early.
_READ_ON_SECONDS = 3.0
#: A stream that shows nothing in so many packets shows nothing.
_MAX_HEAD_PACKETS = 4096
#: Reordering reaches no farther than so many packets (H.264 and HEVC: 16 frames).
_SHOWN_PACKETS = 18
#: When nothing before a target can be decoded: so many keyframes behind it are tried.
KEYS_BEHIND = 6


def _keyframe_target(pts: int) -> Target:
    return Target(pts=pts, instant=Fraction(pts), requests=(), kind="keyframe", key=pts, shown=True)


class Batcher:
    """Cuts the packets of one demuxer into batches. Same thread rule as the demuxer."""

    def __init__(self, demuxer: Demuxer) -> None:
        self._demuxer = demuxer
        self._reliable = True
        #: whether the last :meth:`earlier` began at the very start: nothing lies further back
        self.exhausted = False
        #: where it began (pts)
        self.began = 0

    def head(self, target: Target) -> Iterator[Batch]:
        """Everything from the first packet on, for as long as the decoder wants it."""
        self._demuxer.rewind()

        def packets() -> Pairs:
            for _ in range(_MAX_HEAD_PACKETS):
                packet = self._demuxer.next()
                if packet is None:
                    return
                yield packet, Action.SEND

        yield Batch(targets=[target], rest=packets(), reliable=False, from_start=True, head=True)

    # -- batches ----------------------------------------------------------------------------

    def batches(self, runs: tuple[Run, ...]) -> Iterator[Batch]:
        """The work of a plan, one decodable batch after the other."""
        self._demuxer.expect(runs)
        for number, run in enumerate(runs):
            if run.kind == "search" or run.keyframe is None:
                yield from self._search(list(run.targets))
                continue
            self._demuxer.go_to(run.keyframe)
            if not self._lands_on(run.keyframe, exactly=run.kind == "keyframe"):
                # The index lied. Everything that is left finds its own way.
                self._demuxer.index.distrust()
                left = [target for rest in runs[number:] for target in rest.targets]
                yield from self._search(sorted(left, key=lambda t: t.instant))
                return
            if run.kind == "keyframe":
                yield self._key_batch(run.keyframe, list(run.targets))
            else:
                yield from self._exact(list(run.targets))

    def _lands_on(self, key: Keyframe, *, exactly: bool) -> bool:
        """Whether the packet that follows a seek by index starts a GOP, or is ``key`` itself.

        Matroska cues may point anywhere. An MP4 that was read on a little does not count, nor does
        the end of a file that was cut off: the index is right there, the data is missing.
        """
        if self._demuxer.index.exhaustive or self._demuxer.at_start:
            return True
        packet = self._demuxer.next()
        if packet is None:
            return True
        self._demuxer.put_back([packet])
        return packet.is_keyframe and (not exactly or packet.pts == key.pts)

    def distrust_keys(self) -> None:
        """Keyframe flags turned out to be lies: from now on decode from the first packet."""
        self._demuxer.keys_lie = True
        self._demuxer.index.distrust()

    def earlier(
        self, targets: list[Target], attempt: int, dead: int | None = None
    ) -> Iterator[Batch]:
        """Batches for the same targets from further back, doubling with ``attempt`` 1, 2, ...

        Not from before the last keyframe up to ``dead`` (pts), where nothing is to be had.
        """
        first = targets[0].wanted
        stamp = first
        if self._demuxer.keys_lie:
            stamp = self._demuxer.start_stamp()
        elif self._demuxer.index.complete:
            for _ in range(2**attempt - 1):
                key = self._demuxer.index.floor(stamp)
                if key is None or (dead is not None and key.pts <= dead):
                    break
                stamp = key.pts - 1
            key = self._demuxer.index.floor(stamp)
            stamp = self._demuxer.start_stamp() if key is None else key.pts
        else:
            back = self._demuxer.ticks(STEP_BACK_SECONDS * 4**attempt)
            stamp = self._demuxer.edge(first) - back
            if dead is not None:
                stamp = max(stamp, dead)
        self.began = stamp
        self.exhausted = stamp <= self._demuxer.start_stamp()
        if self.exhausted:
            self._demuxer.rewind()
        else:
            try:
                self._demuxer.seek(stamp)
            except SeekFailed:
                yield Batch(targets)  # into a stretch of a transport stream without packets
                return
        yield from self._exact(targets, keep_all=True)

    def behind(self, pts: int) -> Iterator[Batch]:
        """Keyframes behind ``pts``, each alone: the first, then ever farther ones."""
        index = self._demuxer.index
        if index.complete:
            key = index.ceil(pts + 1)
            for attempt in range(KEYS_BEHIND):
                if key is None:
                    return
                self._demuxer.go_to(key)
                yield self._key_batch(key, [_keyframe_target(key.pts)])
                for _ in range(2**attempt):
                    key = None if key is None else index.ceil(key.pts + 1)
            return
        seek_before(self._demuxer, pts)
        passing = 1
        for _ in range(KEYS_BEHIND):
            packet = None
            for _ in range(passing):
                packet = self._next_key(pts)
                if packet is None or packet.pts is None:
                    return
                pts = packet.pts
            assert packet is not None
            yield self._make_key_batch(packet, [_keyframe_target(pts)])
            passing *= 2

    def _key_batch(self, key: Keyframe, targets: list[Target]) -> Batch:
        """One keyframe, alone."""
        while (packet := self._demuxer.next()) is not None:
            if packet.is_keyframe and not packet.is_discard:
                if packet.pts is not None and packet.pts < key.pts:
                    # Landed early: go on to the one that was meant.
                    packet = self._scan_key(key.pts) or packet
                return self._make_key_batch(packet, targets)
            if packet.dts is not None and packet.dts > key.pts:
                break  # it came, and is none
        return Batch(targets=targets, key_only=True)

    def _make_key_batch(self, packet: VideoPacket, targets: list[Target]) -> Batch:
        """A batch of the keyframe that was just read."""
        if any(t.shown is None for t in targets):
            targets = self._see_what_is_shown(packet, targets)
        companion = None
        if self._demuxer.field_pairs:
            companion = self._demuxer.next()
            if companion is not None:
                self._demuxer.put_back([companion])
        return lone_keyframe(packet, companion, targets)

    def _see_what_is_shown(self, key: VideoPacket, targets: list[Target]) -> list[Target]:
        """Read a few packets on, to tell for which targets the keyframe is the frame shown."""
        if key.pts is None:
            return targets
        last = max(t.pts for t in targets)
        following: int | None = None  # the smallest pts after the keyframe's
        taken: list[VideoPacket] = []
        while last >= key.pts and len(taken) < _SHOWN_PACKETS:
            packet = self._demuxer.next()
            if packet is None:
                break
            taken.append(packet)
            if packet.pts is not None and packet.pts > key.pts and not packet.is_discard:
                following = packet.pts if following is None else min(following, packet.pts)
            if packet.dts is not None and packet.dts > (last if following is None else following):
                break
        self._demuxer.put_back(taken)
        return [
            replace(t, shown=key.pts <= t.pts and (following is None or t.pts < following))
            for t in targets
        ]

    def _next_key(self, pts: int) -> VideoPacket | None:
        """Read on to the first keyframe behind ``pts``."""
        while (packet := self._demuxer.next()) is not None:
            if packet.is_keyframe and packet.pts is not None and packet.pts > pts:
                return packet
        return None

    def _scan_key(self, pts: int) -> VideoPacket | None:
        """Read on to the keyframe at ``pts``; ``None`` when it is passed or does not come."""
        while (packet := self._demuxer.next()) is not None:
            if packet.is_keyframe and packet.pts is not None and packet.pts >= pts:
                return packet
            if packet.dts is not None and packet.dts > pts:
                break
        return None

    def _search(self, targets: list[Target]) -> Iterator[Batch]:
        """Targets of a container without an index: keyframes are found by seeking and looking.

        One pass for the keyframes that are near enough, then one for what must be decoded.
        """
        if self._demuxer.keys_lie:
            # Nobody knows the keyframes; the frame shown is never farther from the target.
            targets = [replace(t, kind="exact", key=None, shown=None) for t in targets]
        exact = [t for t in targets if t.kind == "exact"]
        around = Surroundings()
        chosen: Neighbour | None = None
        sharing: list[Target] = []
        for target in targets:
            if target.kind == "exact":
                continue
            self._look_around(target.instant, around)
            found = around.nearest(target.instant)
            same = found is not None and chosen is not None and chosen.pts == found.pts
            if found is None or (
                target.kind == "tolerance"
                and (
                    abs(found.pts - target.instant) > target.tolerance or (same and target.distinct)
                )
            ):
                exact.append(replace(target, kind="exact", key=None, shown=None))
                continue
            if not same:
                if chosen is not None:
                    yield self._neighbour_batch(chosen, sharing)
                chosen, sharing = found, []
            sharing.append(replace(target, key=found.pts, shown=found.shown_at(target.pts)))
        if chosen is not None:
            yield self._neighbour_batch(chosen, sharing)
        if exact:
            yield from self._search_exact(sorted(exact, key=lambda t: t.instant))

    def _neighbour_batch(self, found: Neighbour, targets: list[Target]) -> Batch:
        companion = found.companion if self._demuxer.field_pairs else None
        return lone_keyframe(found.packet, companion, targets)

    def _look_around(self, pts: Fraction, around: Surroundings) -> None:
        """Read until the keyframes on both sides of ``pts`` are known, as far as they matter."""
        if around.covers(pts):
            return
        at = around.clock
        if (
            around.before(pts) is not None
            and at is not None
            and pts - at <= self._demuxer.ticks(_READ_ON_SECONDS)
        ):
            self._demuxer.stats.seeks_skipped += 1
        else:
            around.forget()
            seek_before(self._demuxer, int(pts), shown=True)
        while not around.covers(pts):
            packet = self._demuxer.next()
            if packet is None:
                around.ended = True
                return
            around.add(packet)

    def _search_exact(self, targets: list[Target]) -> Iterator[Batch]:
        while targets:
            first = targets[0].pts
            if not self._demuxer.reaches(first, self._demuxer.ticks(_READ_ON_SECONDS)):
                seek_before(self._demuxer, first)
            # Those close enough to be reached by reading on belong to the same pass.
            together = 1
            window = self._demuxer.ticks(_READ_ON_SECONDS)
            while (
                together < len(targets)
                and targets[together].pts - targets[together - 1].pts <= window
            ):
                together += 1
            yield from self._exact(targets[:together])
            targets = targets[together:]

    def _exact(self, targets: list[Target], keep_all: bool = False) -> Iterator[Batch]:
        """Read forward from here and cut into batches, one per stretch that must be decoded.

        ``keep_all``: never start afresh at a later keyframe (it has proved not to be one).
        """
        selector: Selector[VideoPacket] = Selector(
            [t.wanted for t in targets],
            field_pairs=self._demuxer.field_pairs,
            reliable=self._reliable and not self._demuxer.rebuilds_pts,
        )
        remaining = targets
        started = self._demuxer.at_start
        clock: int | None = None
        batch = Batch(targets=remaining, from_start=started, head=started, reliable=self._reliable)
        # Where the index tells which packet is the last, those behind it need not be read to see.
        last = None
        if not self._demuxer.field_pairs:
            last = self._demuxer.index.last_needed([t.wanted for t in targets])
        while not selector.done:
            if clock is not None and clock == last and selector.reliable:
                self._collect(batch, selector.end())
                break
            packet = self._demuxer.next()
            if packet is None:
                batch.truncated = self._demuxer.ended_early()
                batch.cut = clock if batch.truncated else None
                self._collect(batch, selector.end())
                break
            if not started:
                if not packet.is_keyframe:
                    listed = keep_all or self._demuxer.index.exhaustive
                    if listed and packet.dts is not None and packet.dts > remaining[-1].wanted:
                        break  # nothing before the last target is decodable
                    continue  # not decodable from here
                started = True
                batch.head = packet.pts is not None and packet.pts == self._demuxer.first_key
                if packet.pts is not None and packet.pts > remaining[0].wanted and not keep_all:
                    # The landing was late. Whatever the index said, step back.
                    seek_before(self._demuxer, remaining[0].wanted)
                    started = batch.from_start = batch.head = self._demuxer.at_start
                    continue
            if packet.is_corrupt and packet.pts is not None:
                batch.gaps.append(packet.pts)
            clock = packet.dts
            self._collect(batch, selector.approach(packet))
            if not keep_all and selector.starts_afresh(packet):
                sent = selector.sent
                answered = len(selector.restart())
                if answered:
                    batch.targets = remaining[:answered]
                    remaining = remaining[answered:]
                    yield batch
                    batch = Batch(targets=remaining)
                elif sent:
                    batch.items.clear()
                    batch.bytes = 0
                batch.from_start = False
                batch.head = packet.pts == self._demuxer.first_key
            self._collect(batch, selector.push(packet))
            if selector.held_bytes > BATCH_BYTES:
                self._collect(batch, selector.release())
            if not selector.reliable or batch.bytes > BATCH_BYTES:
                batch.reliable = self._reliable = selector.reliable
                batch.rest = self._stream_rest(selector)
                yield batch
                return
        self._demuxer.keep(selector.unsent)
        batch.reliable = selector.reliable
        yield batch

    def _collect(self, batch: Batch, pairs: Pairs) -> None:
        for packet, action in pairs:
            batch.items.append((packet, action))
            batch.bytes += packet.size

    def _stream_rest(self, selector: Selector[VideoPacket]) -> Pairs:
        while not selector.done:
            packet = self._demuxer.next()
            if packet is None:
                yield from selector.end()
                return
            yield from selector.push(packet)
            if selector.held_bytes > BATCH_BYTES:
                yield from selector.release()
        self._demuxer.keep(selector.unsent)
