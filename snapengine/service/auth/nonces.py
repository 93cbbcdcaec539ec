"""Which nonces have been used: a memory that is bounded in time and in size."""

from __future__ import annotations

import hashlib
import heapq
import threading
import time

from .clock import TOLERANCE, Clock
from .failures import NoncesExhausted, NonceUsed

#: Nonces remembered for one key: 55 calls a second over the 30 minutes that one may be kept.
PER_KEY = 100_000


class _Memory:
    """Those of one key: what is known, and in which order it ends."""

    __slots__ = ("ends", "known")

    def __init__(self) -> None:
        self.known: set[bytes] = set()
        self.ends: list[tuple[float, bytes]] = []

    def forget(self, now: float) -> None:
        while self.ends and self.ends[0][0] < now:
            self.known.discard(heapq.heappop(self.ends)[1])


class Nonces:
    """Remembers the nonces of each key. Thread-safe.

    A nonce is kept for 15 minutes and as long as the request that carried it would still be in
    time: one that is dated ahead is in time for longer. Only requests whose signature holds are
    remembered, so nobody without a key can fill this or use up another's nonces. When one key's
    memory is full its calls are refused until the oldest end; forgetting early would let them be
    replayed. Kept in this process: a restart forgets.
    """

    def __init__(self, *, clock: Clock = time.time, per_key: int = PER_KEY) -> None:
        self._clock = clock
        self._per_key = per_key
        self._memories: dict[str, _Memory] = {}
        self._lock = threading.Lock()

    def check(self, key_id: str, nonce: bytes, *, parameter: str) -> None:
        """Raise :class:`NonceUsed` if this key has used the nonce; remembers nothing."""
        with self._lock:
            memory = self._memories.get(key_id)
            if memory is None:
                return
            memory.forget(self._clock())
            if _digest(nonce) in memory.known:
                raise _used(parameter)

    def use(self, key_id: str, nonce: bytes, *, stamp: float, parameter: str) -> None:
        """Remember the nonce of an authentic request dated ``stamp`` (seconds since 1970).

        Of several threads with the same nonce one returns, the others raise :class:`NonceUsed`.
        Raises :class:`NoncesExhausted` when the key's memory is full.
        """
        digest = _digest(nonce)
        with self._lock:
            now = self._clock()
            memory = self._memories.setdefault(key_id, _Memory())
            memory.forget(now)
            if digest in memory.known:
                raise _used(parameter)
            if len(memory.known) >= self._per_key:
                raise NoncesExhausted("too many calls of one key", parameter=parameter)
            memory.known.add(digest)
            heapq.heappush(memory.ends, (max(now, stamp) + TOLERANCE, digest))

    def __len__(self) -> int:
        with self._lock:
            return sum(len(memory.known) for memory in self._memories.values())


def _digest(nonce: bytes) -> bytes:
    """Every nonce takes the same room, however long it is."""
    return hashlib.blake2b(nonce, digest_size=16).digest()


def _used(parameter: str) -> NonceUsed:
    return NonceUsed("the nonce was used already", parameter=parameter)
