"""snapengine: the right frame, the right picture, at the cost of the needed frames only.

    >>> import snapengine
    >>> with snapengine.open("movie.mp4") as video:
    ...     video.snapshot(12.5, width=1280).save("cover.jpg")
    ...     video.sprite(interval=5, cell=(160, 90)).save("out/")
    ...     video.covers(count=1)[0].save("best.jpg")

Importing this package is cheap; codecs and kernels are loaded by the first :func:`open`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors
from .errors import SnapError

if TYPE_CHECKING:
    from . import aio
    from .animating import Animation
    from .budget import set_cpu_budget
    from .covers import Cover
    from .engine import Video, open
    from .model.limits import Limits
    from .model.media import VideoInfo
    from .model.network import Network
    from .model.plan import Plan
    from .model.result import Cue
    from .model.stats import RunStats
    from .results import Snapshot, SpritePage, SpriteSheet

__version__ = "0.1.0"

__all__ = [
    "Animation",
    "Cover",
    "Cue",
    "Limits",
    "Network",
    "Plan",
    "RunStats",
    "SnapError",
    "Snapshot",
    "SpritePage",
    "SpriteSheet",
    "Video",
    "VideoInfo",
    "__version__",
    "aio",
    "errors",
    "open",
    "set_cpu_budget",
]

_HOMES = {
    "Animation": "animating",
    "Cover": "covers",
    "Cue": "model.result",
    "Limits": "model.limits",
    "Network": "model.network",
    "Plan": "model.plan",
    "RunStats": "model.stats",
    "Snapshot": "results",
    "SpritePage": "results",
    "SpriteSheet": "results",
    "Video": "engine",
    "VideoInfo": "model.media",
    "aio": "aio",
    "open": "engine",
    "set_cpu_budget": "budget",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{home}", __name__)
    value = module if home == name else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
