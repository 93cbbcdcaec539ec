"""How the service is set up: one name for each setting, in Python, as a flag and as a variable.

``media_roots=`` in Python is ``--media-roots`` on the command line and ``SNAPENGINE_MEDIA_ROOTS``
in the environment. A flag wins over the environment, the environment over the default.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import InvalidOption
from ..model.limits import Limits
from ..model.network import Network
from .auth.keys import KeyRing
from .domain.tracks import Mark

__all__ = ["PREFIX", "Settings", "settings_from"]

#: Of the names in the environment.
PREFIX: Final = "SNAPENGINE_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Immutable.

    ``keys``: who may call, ``ak:sk:project_id[,...]``; empty: the service makes a pair of its own,
    kept in ``data``. ``data``: the folder of everything that is kept. ``database``: an SQLAlchemy
    URL; empty: SQLite in ``data``. ``store``: a folder or fsspec URL for pictures; empty: in
    ``data``. ``public_url``: what links begin with; empty: as the call addressed the service.

    ``media_roots``: folders whose files ``file://`` sources may name. ``source_schemes``: of other
    sources; those of object stores use the service's own credentials. ``allow_private``: sources,
    covers and callbacks may lie on private and loopback addresses.

    ``workers``: processes that decode (0: none here, others serve the queue). ``queue``: jobs that
    may wait, ``tenant_queue``: of one tenant. ``job_seconds``: the longest a job may take,
    ``job_attempts``: how often one is begun whose worker vanishes,
    ``job_memory_bytes``: the most that its worker may hold (Linux). ``max_pixels``: of one coded
    frame. ``max_upload_bytes``: of one uploaded video. ``quality``: of JPEG. ``track_mark``: what
    parts a picture's address from the place in it in WebVTT: "?" as the clouds' player reads it,
    or "#" (W3C media fragments) for others.

    ``cover``: how new assets get theirs: "vendor" (as the cloud does whose call it was),
    "middle" of eight, or "head", the first picture that is not black. ``smart_cover``: whether
    Huawei's smart cover call, which it took offline, answers. ``process_status``: the HTTP status
    of an unknown asset in Huawei's asset/process, whose pages disagree: 400 or 403.

    ``signed_urls``: seconds that links to pictures hold; 0: they do not expire, and are guarded by
    ids that cannot be guessed. ``store_urls``: links lead to the store itself, signed by it.

    ``callback_attempts``: how often a callback is sent at most. ``huawei_callback_url``,
    ``huawei_callback_key``: where Huawei's events go, and what signs them; several projects as
    ``project_id=url,...``.
    """

    keys: str = field(default="", repr=False)
    data: str = "snapengine-data"
    database: str = field(default="", repr=False)
    store: str = ""
    public_url: str = ""
    media_roots: tuple[str, ...] = ()
    source_schemes: tuple[str, ...] = ("http", "https")
    allow_private: bool = False
    workers: int = 1
    queue: int = 1000
    tenant_queue: int = 500
    job_seconds: float = 600.0
    job_attempts: int = 2
    job_memory_bytes: int = 4 << 30
    max_pixels: int = 16384 * 16384
    max_upload_bytes: int = 16 << 30
    quality: int = 85
    track_mark: Mark = "?"
    cover: Literal["vendor", "middle", "head"] = "vendor"
    smart_cover: bool = True
    process_status: Literal[400, 403] = 403
    signed_urls: int = 0
    store_urls: bool = False
    callback_attempts: int = 8
    huawei_callback_url: str = ""
    huawei_callback_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        # Lists and paths are as good in Python.
        object.__setattr__(self, "data", os.fspath(self.data))
        for name in ("media_roots", "source_schemes"):
            given: object = getattr(self, name)
            if isinstance(given, str | os.PathLike):
                raise InvalidOption(f"{name} must be a list, not {given!r}")
            values = tuple(os.fspath(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
        KeyRing.parse(self.keys) if self.keys else None
        least = {"workers": 0, "signed_urls": 0, "job_memory_bytes": 256 << 20}
        for name in ("workers", "queue", "tenant_queue", "job_attempts", "job_memory_bytes",
                     "max_pixels",
                     "max_upload_bytes", "signed_urls", "callback_attempts"):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least.get(name, 1):
                raise InvalidOption(
                    f"{name} must be a whole number from {least.get(name, 1)} on, not {value!r}"
                )
        if not 1 <= self.quality <= 100:
            raise InvalidOption(f"quality must be 1 to 100, not {self.quality!r}")
        if not (self.job_seconds > 0 and math.isfinite(self.job_seconds)):
            raise InvalidOption(f"job_seconds must be more than 0, not {self.job_seconds!r}")
        _one_of("cover", self.cover, ("vendor", "middle", "head"))
        _one_of("track_mark", self.track_mark, ("?", "#"))
        _one_of("process_status", self.process_status, (400, 403))
        for root in self.media_roots:
            if not Path(root).is_absolute():
                raise InvalidOption(f"media_roots: {root!r} is not an absolute folder")
        if not self.data:
            raise InvalidOption("data must name a folder")
        url = self.public_url
        if url and not url.startswith(("http://", "https://")):
            raise InvalidOption(f"public_url must begin with http:// or https://, not {url!r}")

    @property
    def data_folder(self) -> Path:
        return Path(self.data).absolute()

    @property
    def network(self) -> Network:
        """How sources, covers and callbacks are reached."""
        return Network(
            schemes=frozenset(self.source_schemes),
            allow_private=self.allow_private,
            without_ranges="stream",
            stream_bytes=self.max_upload_bytes,
        )

    @property
    def limits(self) -> Limits:
        """Bounds of one job's video."""
        return Limits(max_pixels=self.max_pixels, deadline_seconds=self.job_seconds)


def _one_of(name: str, value: object, words: tuple[object, ...]) -> None:
    if value not in words:
        shown = ", ".join(str(word) for word in words)
        raise InvalidOption(f"{name} must be one of {shown}, not {value!r}")


def settings_from(environ: Mapping[str, str] = os.environ, /, **given: object) -> Settings:
    """Settings of the environment, with those ``given`` (not ``None``) in their place; texts are
    read as on the command line. Raises :class:`InvalidOption`, which names the setting."""
    values: dict[str, Any] = {}
    for each in dataclasses.fields(Settings):
        value: object = environ.get(PREFIX + each.name.upper())
        if given.get(each.name) is not None:
            value = given.pop(each.name)
        given.pop(each.name, None)
        if value is not None and value != "":
            values[each.name] = _read(each.name, each.default, value)
    if given:
        raise InvalidOption(f"there is no setting {sorted(given)[0]!r}")
    return Settings(**values)


def _read(name: str, default: object, value: object) -> object:
    if not isinstance(value, str):
        return value
    if isinstance(default, bool):
        words = {"1": True, "true": True, "yes": True, "on": True,
                 "0": False, "false": False, "no": False, "off": False}  # fmt: skip
        if value.lower() not in words:
            raise InvalidOption(f"{name} must be 1 or 0, not {value!r}")
        return words[value.lower()]
    if isinstance(default, tuple):
        separator = os.pathsep if name == "media_roots" else ","
        return tuple(part for part in value.split(separator) if part)
    if isinstance(default, int | float):
        try:
            return type(default)(value)
        except ValueError as exc:
            raise InvalidOption(f"{name} must be a number, not {value!r}") from exc
    return value
