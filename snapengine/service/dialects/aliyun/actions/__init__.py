"""Every action there is, by its name."""

from __future__ import annotations

from typing import Final

from ..calls import Action
from .callbacks import CALLBACKS
from .jobs import JOBS
from .smart import SMART
from .snapshots import SNAPSHOTS
from .templates import TEMPLATES
from .uploads import UPLOADS
from .videos import VIDEOS

__all__ = ["ACTIONS"]

ACTIONS: Final[dict[str, Action]] = {
    **CALLBACKS,
    **JOBS,
    **SMART,
    **SNAPSHOTS,
    **TEMPLATES,
    **UPLOADS,
    **VIDEOS,
}
