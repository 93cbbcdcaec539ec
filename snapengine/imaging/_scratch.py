"""Float buffers that are kept and used again, one set for each thread."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

#: Buffers above this many samples are not kept: a large picture pays for its own memory and gives
#: it back, so that an idle thread holds at most a few MB.
KEEP_SAMPLES: Final = 1 << 18

_local = threading.local()


def scratch(name: str, samples: int) -> F32:
    """A float32 buffer of at least ``samples``; what was in it before is rubbish.

    Valid until the same thread asks for the same ``name`` again.
    """
    if samples > KEEP_SAMPLES:
        return np.empty(samples, np.float32)
    kept: dict[str, F32] = _local.__dict__
    buffer = kept.get(name)
    if buffer is None or buffer.size < samples:
        # A power of two, so that slowly growing requests do not allocate each time.
        buffer = kept[name] = np.empty(1 << max(10, (samples - 1).bit_length()), np.float32)
    return buffer
