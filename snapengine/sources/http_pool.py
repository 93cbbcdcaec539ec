"""Connections that are kept open, for the files of one video."""

from __future__ import annotations

import socket
import ssl
import threading

from ..model.network import Network
from .addresses import AddressPolicy
from .forking import mind_forks
from .http_connect import Resolve, connect
from .http_connection import Connection, Waiting
from .http_url import Origin


class ConnectionPool:
    """Gives connections and keeps those that can be used again. Thread-safe.

    A kept connection leads to the very address that was judged when it was made, and serves its own
    origin only. With those in use no more than ``network.connections`` are kept. ``resolve`` stands
    in for ``socket.getaddrinfo``.
    """

    def __init__(self, network: Network, resolve: Resolve = socket.getaddrinfo) -> None:
        self._network = network
        self._policy = AddressPolicy(network)
        self._resolve = resolve
        self._tls = network.tls
        self._idle: list[Connection] = []  # the one that rests longest comes first
        self._used = 0
        self._closed = False
        self._lock = threading.Lock()
        mind_forks(self)

    def forget_parent(self) -> None:
        """See :mod:`.forking`. Only this process's descriptors are closed."""
        self._lock = threading.Lock()
        self._idle, self._used = [], 0

    def take(self, origin: Origin, waiting: Waiting) -> Connection:
        """A kept connection to ``origin``, or a new one; to be given to :meth:`put_back`.

        Raises what :func:`~snapengine.sources.http_connect.connect` does.
        """
        with self._lock:
            self._used += 1
        try:
            while (kept := self._kept(origin)) is not None:
                if kept.is_open():
                    return kept
                kept.close()
            self._make_room()
            waiting.check("connecting")
            network = self._network
            sock = connect(
                origin, self._policy, self._resolve, self._context, waiting, network.connect_seconds
            )
        except BaseException:
            with self._lock:
                self._used -= 1
            raise
        return Connection(sock, origin, network.silence_seconds, network.least_rate)

    def put_back(self, connection: Connection, waiting: Waiting) -> None:
        """``waiting`` has done with it. Kept if it stands where the next answer begins."""
        connection.rest(waiting)
        with self._lock:
            self._used -= 1
            keep = connection.reusable and not self._closed
            if keep:
                self._idle.append(connection)
        if keep:
            self._make_room()
        else:
            connection.close()

    def drop(self, origin: Origin) -> None:
        """Close what is kept for ``origin``: the server has closed one of them."""
        while (kept := self._kept(origin)) is not None:
            kept.close()

    def close(self) -> None:
        """Keep nothing any more. Those in use are closed when they are put back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _kept(self, origin: Origin) -> Connection | None:
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place].origin == origin:
                    return self._idle.pop(place)
        return None

    def _make_room(self) -> None:
        """Close those that rest longest while there are more than allowed."""
        with self._lock:
            most = max(0, self._network.connections - self._used)
            spare = self._idle[: max(0, len(self._idle) - most)]
            del self._idle[: len(spare)]
        for connection in spare:
            connection.close()

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
                self._tls.set_alpn_protocols(["http/1.1"])
            return self._tls
