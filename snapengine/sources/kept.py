"""File systems that sign URLs, kept for the next video: making one costs more than opening one."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

#: So many, for so many seconds: who changes a file of credentials is noticed by then.
_MOST: Final = 8
_SECONDS: Final = 300.0
#: Where packages find credentials that nobody handed them.
_ENVIRONMENT: Final = ("AWS_", "AZURE_", "GOOGLE_", "OSS_", "FSSPEC_")

_lock = threading.Lock()
_kept: OrderedDict[str, tuple[float, Mapping[str, object], Any]] = OrderedDict()


def kept(kind: Any, options: Mapping[str, object], make: Callable[[], Any]) -> Any:
    """A file system of ``kind`` with these ``options``, made by ``make`` unless there is one.

    Unlike fsspec's own, ours are told apart by the environment, too, hold no listings (they only
    sign), grow old and are forgotten by :func:`forget` when what they sign is refused.
    """
    key, now = _key(kind, options), time.monotonic()
    with _lock:
        entry = _kept.get(key)
        if entry is not None and now - entry[0] < _SECONDS:
            _kept.move_to_end(key)
            return entry[2]
    made = make()
    with _lock:
        # With the options: the key tells objects in them by their addresses.
        _kept[key] = (now, dict(options), made)
        _kept.move_to_end(key)
        while len(_kept) > _MOST:
            _kept.popitem(last=False)
    return made


def forget(kind: Any, options: Mapping[str, object]) -> None:
    """The next one is made anew."""
    with _lock:
        _kept.pop(_key(kind, options), None)


def _key(kind: Any, options: Mapping[str, object]) -> str:
    from fsspec.utils import tokenize

    around = sorted(item for item in os.environ.items() if item[0].startswith(_ENVIRONMENT))
    # fsspec's event loop does not outlive a fork.
    return str(tokenize(os.getpid(), id(kind), sorted(options.items()), around))
