"""A worker process: takes orders on standard input, makes pictures, answers line by line.

``python -m snapengine.service.jobs.worker``, started by ``jobs/process.py``. What it decodes is a
stranger's: it may crash here and take nothing else along. An order is its length in eight bytes and
a pickle; an answer is a line of JSON: ``{"progress": 0.5}`` any number of times, then the
:class:`Made`, or ``{"failure": {"code": ..., "message": ...}}``.

It ends when its standard input does, in the middle of a job, too: nobody waits for the result.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import queue
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from typing import BinaryIO, Final

from ...errors import PictureWarning, SnapError
from .orders import WorkOrder, made_to_json
from .process import LENGTH_BYTES

__all__ = ["main"]

_log = logging.getLogger(__name__)
#: Seconds between two words of progress.
_PAUSE: Final = 0.5
#: ``prctl``: the signal a process gets when the thread that started it ends (Linux).
_PR_SET_PDEATHSIG: Final = 1
#: Of a failure's message, in characters.
_MAX_MESSAGE: Final = 500
#: Where memory runs out, a worker is to go before the service and everything else (-1000 to 1000).
_FIRST_TO_GO: Final = b"800"


def main() -> None:
    """Carry out orders until standard input ends. Does not return."""
    # Meant for the service, which ends us when it is time; systemd sends it to both.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _go_first()
    told, answers = _own_pipes()
    orders: queue.SimpleQueue[WorkOrder] = queue.SimpleQueue()
    threading.Thread(
        target=_listen, args=(told, orders), name="snapengine-worker-orders", daemon=True
    ).start()
    from ...kernels.warmup import warm
    from .making import make

    warm()  # codecs and kernels are loaded, or compiled, while nobody waits for them yet

    warnings.simplefilter("ignore", PictureWarning)
    while True:
        order = orders.get()
        said = -_PAUSE

        def progress(share: float) -> None:
            nonlocal said
            if time.monotonic() - said >= _PAUSE:
                said = time.monotonic()
                _say(answers, json.dumps({"progress": share}).encode())

        # What is set aside for want of memory lies with the job's files, and goes with them.
        tempfile.tempdir = order.folder
        _bound_memory(order.memory_bytes)
        try:
            answer = made_to_json(make(order, progress))
        except SnapError as exc:
            answer = _failure(exc.code, _for_callers(exc, order))
        except MemoryError:
            allowed = order.memory_bytes >> 20
            answer = _failure("limit_exceeded", f"the job needs more than {allowed} MiB of memory")
        except Exception:  # noqa: BLE001 - the next order is another's
            _log.exception("job %s", order.job_id)
            answer = _failure("internal_error", "an error of the service itself; its log has more")
        _say(answers, answer)


def _listen(told: BinaryIO, orders: queue.SimpleQueue[WorkOrder]) -> None:
    """Hand orders on; end the process with the service's end of the pipe."""
    while len(length := told.read(LENGTH_BYTES)) == LENGTH_BYTES:
        data = told.read(int.from_bytes(length, "big"))
        try:
            orders.put(pickle.loads(data))
        except (pickle.UnpicklingError, EOFError):  # cut short: the service is gone
            break
    os._exit(0)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for ourselves; what libraries print goes to standard error."""
    told, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(told, "rb"), os.fdopen(answers, "wb")


def _say(answers: BinaryIO, line: bytes) -> None:
    try:
        answers.write(line + b"\n")
        answers.flush()
    except OSError:  # nobody listens any more
        os._exit(0)


def _failure(code: str, message: str) -> bytes:
    return json.dumps({"failure": {"code": code, "message": message}}).encode()


def _for_callers(failure: SnapError, order: WorkOrder) -> str:
    """A message that does not tell where things lie on this machine or in its network."""
    from .opening import is_address

    if "address" in failure.context:  # what a name leads to inside is nobody's business
        return "the address is not of the public Internet"
    message = str(failure)
    folders = [order.folder, *order.roots]
    if not is_address(order.source):
        folders.append(os.path.dirname(order.source.removeprefix("file://")))
    for folder in sorted({*folders, *map(os.path.realpath, folders)}, key=len, reverse=True):
        if len(folder) > 1:
            message = message.replace(folder.rstrip(os.sep) + os.sep, "").replace(folder, "...")
    return message[:_MAX_MESSAGE]


def _bound_memory(most: int) -> None:
    """At most so many bytes of private memory: what a stranger's file and request can need has no
    other bound. What is asked for beyond is a :class:`MemoryError`, here or in libavcodec."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _go_first() -> None:
    """End with the thread that started us, and before it where memory runs out (Linux)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
            file.write(_FIRST_TO_GO)
    except OSError as exc:
        _log.debug("the order of going stays as it is: %s", exc)


if __name__ == "__main__":
    main()
