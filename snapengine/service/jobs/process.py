"""A worker process as the service sees it: what is said to it, and what it says.

Nothing it says is believed beyond its form: it has decoded a stranger's video.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..domain.records import Failure
from .orders import Made, WorkOrder, made_from_json

__all__ = [
    "LENGTH_BYTES",
    "Answer",
    "BadAnswer",
    "Progress",
    "WorkerDied",
    "WorkerProcess",
    "read_answer",
]

#: An order's length comes before it, in so many bytes, the highest first.
LENGTH_BYTES: Final = 8
#: Of one answer. The largest there can be, 100,000 pictures, takes 40 MB.
_MAX_ANSWER: Final = 64 << 20
_PIECE: Final = 1 << 16
_CODE: Final = re.compile(r"[a-z][a-z_]{0,63}", re.ASCII)
_MAX_MESSAGE: Final = 1000
_COMMAND: Final = (sys.executable, "-P", "-m", "snapengine.service.jobs.worker")
#: Where ``snapengine`` lies; workers find it there although they are started safely (``-P``).
_HOME: Final = str(Path(__file__).resolve().parents[3])


class WorkerDied(Exception):
    """It ended before it answered; says how."""


class BadAnswer(Exception):
    """It said something that no worker says."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the job is done, from 0 to 1."""

    share: float


Answer = Progress | Failure | Made


class WorkerProcess:
    """One process, started at once. For one thread; :meth:`kill` is for any.

    It ends with the thread that started it, and with this process, however that ends.
    """

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        path = os.pathsep.join(filter(None, (_HOME, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": path},
            process_group=0,  # Ctrl-C at the service's terminal does not reach it
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self._pieces = bytearray()
        self._searched = 0
        self.jobs = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, order: WorkOrder) -> None:
        """Give it an order. Raises :class:`WorkerDied`."""
        self.jobs += 1
        data = pickle.dumps(order)
        rest = memoryview(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        try:
            while rest:
                rest = rest[self._orders.write(rest) or 0 :]
        except OSError as exc:
            raise WorkerDied(self._how_it_ended()) from exc

    def answer(self, seconds: float) -> Answer | None:
        """Its next answer, ``None`` if none comes for so long.

        Raises :class:`WorkerDied`, :class:`BadAnswer`; it must be killed then."""
        end = time.monotonic() + seconds
        while (line := self._line()) is None:
            left = end - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                return None
            piece = self._answers.read(_PIECE)
            if not piece:
                raise WorkerDied(self._how_it_ended())
            self._pieces += piece
        return read_answer(line)

    def _line(self) -> bytes | None:
        """The next line that has arrived whole."""
        found = self._pieces.find(b"\n", self._searched)
        if found < 0:
            self._searched = len(self._pieces)
            if self._searched > _MAX_ANSWER:
                raise BadAnswer(f"an answer of more than {_MAX_ANSWER} bytes")
            return None
        line = bytes(self._pieces[:found])
        del self._pieces[: found + 1]
        self._searched = 0
        return line

    def kill(self) -> None:
        """End it at once. Any thread; more than once is no error."""
        self._process.kill()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._orders.close()
        self._answers.close()

    def _how_it_ended(self) -> str:
        """After its pipe has ended: it is gone, or of no use any more."""
        self._process.kill()
        code = self._process.wait()
        if code >= 0:
            return f"ended with {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"


def read_answer(line: bytes) -> Answer:
    """What a line says. Raises :class:`BadAnswer` for anything that no worker says."""
    try:
        said = json.loads(line)
        if isinstance(said, dict) and set(said) == {"progress"}:
            return Progress(_share(said["progress"]))
        if isinstance(said, dict) and set(said) == {"failure"}:
            return _failure(said["failure"])
        return made_from_json(line)
    except (ValueError, RecursionError) as exc:
        raise BadAnswer(str(exc)[:200]) from exc


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a progress that is none")
    return float(value)


def _failure(value: Any) -> Failure:
    if not isinstance(value, dict) or set(value) != {"code", "message"}:
        raise ValueError("a failure that is none")
    code, message = value["code"], value["message"]
    if not isinstance(code, str) or not _CODE.fullmatch(code) or not isinstance(message, str):
        raise ValueError("a failure that is none")
    # What a text column takes: neither NUL nor half of a pair.
    clean = message.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Failure(code=code, message=clean[:_MAX_MESSAGE])
