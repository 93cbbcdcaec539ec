"""The cover facade: the engine behind the wire formats of cloud video services.

As a server (``snapengine serve``), mounted in another ASGI application, or without HTTP::

    app = snapengine.service.create_app(data="/srv/covers", media_roots=("/srv/videos",))

    with snapengine.service.Service(snapengine.service.Settings(data="/srv/covers")) as service:
        asset, _ = service.register(PYTHON, NewAsset(title="A", source="https://..."))

Importing this package loads nothing: what it is made of is imported where it is used. It needs the
extra ``snapengine[service]``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .domain.failures import ServiceError
    from .domain.records import (
        Asset,
        AssetChanges,
        Job,
        NewAsset,
        Picture,
        PictureSet,
        SmartCoverRequest,
        Via,
    )
    from .domain.requests import (
        JobNote,
        SnapshotRequest,
        SpriteRequest,
        Template,
        ThumbnailRequest,
    )
    from .facade import PYTHON, Service
    from .settings import Settings, settings_from

__all__ = [
    "PYTHON",
    "Asset",
    "AssetChanges",
    "Job",
    "JobNote",
    "NewAsset",
    "Picture",
    "PictureSet",
    "Service",
    "ServiceError",
    "Settings",
    "SmartCoverRequest",
    "SnapshotRequest",
    "SpriteRequest",
    "Template",
    "ThumbnailRequest",
    "Via",
    "create_app",
    "settings_from",
]

_HOMES = {
    "PYTHON": "facade",
    "Asset": "domain.records",
    "AssetChanges": "domain.records",
    "Job": "domain.records",
    "JobNote": "domain.requests",
    "NewAsset": "domain.records",
    "Picture": "domain.records",
    "PictureSet": "domain.records",
    "Service": "facade",
    "ServiceError": "domain.failures",
    "Settings": "settings",
    "SmartCoverRequest": "domain.records",
    "SnapshotRequest": "domain.requests",
    "SpriteRequest": "domain.requests",
    "Template": "domain.requests",
    "ThumbnailRequest": "domain.requests",
    "Via": "domain.records",
    "settings_from": "settings",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def create_app(service: Service | None = None, **settings: object) -> Starlette:
    """An ASGI application that speaks every dialect, to be served or to be mounted in another.

    ``settings``: as :class:`Settings`; those not given are taken from the environment
    (``SNAPENGINE_KEYS`` ...). Or ``service``, which the application then closes with itself.

    It begins to work with its lifespan, or, mounted where nobody runs that, with its first request;
    then close ``app.state.service`` yourself. Raises :class:`~snapengine.errors.InvalidOption` for
    a setting that cannot be.
    """
    from .facade import Service
    from .settings import settings_from
    from .web.app import make_app

    if service is not None and settings:
        raise TypeError("create_app takes a service or settings, not both")
    made = service or Service(settings_from(**settings))
    return make_app(made, made.dialects.values())
