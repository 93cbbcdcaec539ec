"""What the service remembers: assets, their covers, jobs, pictures, events.

Frozen values, made by the service and kept by ``service/storage``. Ids are 32 hexadecimal digits.
Times of the clock are aware ``datetime`` in UTC, times in a video exact seconds. ``tenant`` is the
project id of the key that called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final, Literal

from .requests import JobNote, SnapshotRequest, Template, ThumbnailRequest

__all__ = [
    "DEFAULT_NAMING",
    "HERE",
    "Asset",
    "AssetChanges",
    "AssetStatus",
    "CallbackMessage",
    "CallbackSettings",
    "Cover",
    "CoverChoice",
    "CoverOrigin",
    "Event",
    "EventKind",
    "Facts",
    "Failure",
    "IngestRequest",
    "Job",
    "JobKind",
    "JobRequest",
    "JobStatus",
    "MediaType",
    "Naming",
    "NewAsset",
    "Picture",
    "PictureKind",
    "PictureSet",
    "SmartCoverRequest",
    "StoredTemplate",
    "Via",
]

#: ``awaited``: its upload has not come; ``arrived``: being looked at; ``ready``; ``failed``: its
#: source cannot be used (``Asset.failure`` says why).
AssetStatus = Literal["awaited", "arrived", "ready", "failed"]
#: ``auto``: made when the asset came; ``picture``: one of its pictures; ``external``: an address
#: given by the caller; ``upload``: a file given by the caller; ``smart``: chosen by a job.
CoverOrigin = Literal["auto", "picture", "external", "upload", "smart"]
#: How an asset's own cover is found: the middle one of its candidates, or its first picture that
#: is not black.
CoverChoice = Literal["middle", "head"]
#: ``ingest``: look at a new asset, make candidates and a cover.
JobKind = Literal["ingest", "snapshots", "thumbnails", "smart_cover"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
#: What pictures are: candidates for the cover; of a snapshot job the pictures, its sheets, the
#: cells kept beside sheets, the track and its pictures; thumbnails; smart covers; covers.
PictureKind = Literal[
    "candidate", "snapshot", "sprite", "sprite_cell", "track", "track_picture", "thumbnail",
    "smart", "cover",
]  # fmt: skip
MediaType = Literal["image/jpeg", "image/png", "image/gif", "image/webp", "text/vtt"]
EventKind = Literal["job_done", "asset_changed", "asset_deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something failed: the ``code`` of our error, and its sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Naming:
    """The public paths of pictures, a pattern for each kind; each dialect has its own.

    In a pattern, ``{asset}``, ``{job}`` are ids, ``{number}`` is the picture's number in five
    digits, ``{name}`` its own name in the set ("8", "8_2"), ``{suffix}`` "jpg", "png" ...
    """

    patterns: tuple[tuple[str, str], ...]

    def pattern(self, kind: PictureKind) -> str:
        """The pattern of a kind; the default one where none is given."""
        return dict(self.patterns).get(kind) or dict(DEFAULT_NAMING.patterns)[kind]


DEFAULT_NAMING: Final = Naming(
    tuple(
        (kind, f"{{asset}}/{{job}}/{kind}-{{number}}.{{suffix}}")
        for kind in (
            "candidate", "snapshot", "sprite", "sprite_cell", "track", "track_picture",
            "thumbnail", "smart", "cover",
        )
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    """How a call came: which dialect's, and the address it reached the service at.

    ``dialect`` ``None``: Python. ``base_url``: without a slash at its end; what it links to later,
    in events, begins with it.
    """

    dialect: str | None = None
    base_url: str = ""
    naming: Naming = DEFAULT_NAMING
    cover_choice: CoverChoice = "middle"


#: A call in Python.
HERE: Final = Via()


# -- assets ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a video once it has been opened. ``None``: it does not tell."""

    codec: str
    width: int
    height: int
    duration: Fraction | None
    size: int | None
    bit_rate: int | None
    frame_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """An asset's cover. ``picture_id``: the picture kept here; ``None`` for an address that could
    not be reached when it was given. ``url``: the address as the caller gave it (``external``)."""

    origin: CoverOrigin
    picture_id: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """What a caller says of a video. ``source``: an address, ``None`` if it will be uploaded.

    ``cover_url``: a cover was given, so none is made. ``own_cover`` false: none is made either, one
    will be uploaded. ``thumbnails``: a job that follows at once.
    """

    title: str
    source: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    category: int | None = None
    user_data: str | None = None
    reference_id: str | None = None
    cover_url: str | None = None
    cover_choice: CoverChoice | None = None
    own_cover: bool = True
    thumbnails: ThumbnailRequest | None = None
    file_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChanges:
    """What to change; ``None`` stays as it is."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    category: int | None = None
    user_data: str | None = None
    cover_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """Look at a new asset: facts, up to eight candidates, and a cover unless one was given.

    ``cover_url``: fetch this one; where it cannot be a cover, one is made after all. ``own_cover``
    false: make none. ``thumbnails``: queue this job afterwards.
    """

    cover_choice: CoverChoice = "middle"
    cover_url: str | None = None
    own_cover: bool = True
    thumbnails: ThumbnailRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A video and what belongs to it. ``source``: where it is read from, an address or the path of
    an upload; never shown to anybody but its tenant. ``plan``: what is done once it is there, and
    ``via``: the call that made it."""

    id: str
    tenant: str
    title: str
    status: AssetStatus
    source: str | None
    description: str = ""
    tags: tuple[str, ...] = ()
    category: int | None = None
    user_data: str | None = None
    reference_id: str | None = None
    file_name: str | None = None
    facts: Facts | None = None
    cover: Cover | None = None
    failure: Failure | None = None
    plan: IngestRequest = field(default_factory=IngestRequest)
    via: Via = field(default_factory=Via)
    created: datetime
    modified: datetime


# -- jobs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartCoverRequest:
    """The best pictures of a video, or an animation of its best moments.

    ``set_cover``: the first becomes the asset's cover.
    """

    format: Literal["jpg", "png", "gif"] = "png"
    count: int = 3
    set_cover: bool = False


JobRequest = IngestRequest | SnapshotRequest | ThumbnailRequest | SmartCoverRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work on one asset. ``progress`` runs from 0 to 1. ``follows``: it came with the asset, so it
    makes a cover only for one that has none of its owner's."""

    id: str
    tenant: str
    asset_id: str
    kind: JobKind
    request: JobRequest
    note: JobNote = field(default_factory=JobNote)
    via: Via = field(default_factory=Via)
    template_id: str | None = None
    follows: bool = False
    status: JobStatus = "queued"
    progress: float = 0.0
    attempts: int = 0
    failure: Failure | None = None
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None


# -- pictures -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSet:
    """The pictures of one kind that one job made. ``pattern``: their public path, in which
    ``{number}`` (or ``{name}``) stands for each one's."""

    id: str
    tenant: str
    asset_id: str
    job_id: str | None
    kind: PictureKind
    pattern: str
    count: int
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One file. ``number`` counts from 1. ``path``: where it is served, relative; of several with
    the same path the newest is. ``blob``: where the store keeps it. ``digest``: SHA-256, hex.

    ``requested``, ``time``: seconds asked for and of the frame shown; ``score``: of a smart cover.
    """

    id: str
    set_id: str
    tenant: str
    asset_id: str
    kind: PictureKind
    number: int
    name: str
    path: str
    blob: str
    media_type: MediaType
    size: int
    digest: str
    width: int | None = None
    height: int | None = None
    requested: Fraction | None = None
    time: Fraction | None = None
    score: float | None = None
    created: datetime


# -- templates ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTemplate:
    """A template under its id. ``as_given``: the dialect's own text of it, given back unchanged.

    ``template`` is a :class:`Template` of snapshots or a request for smart covers.
    """

    id: str
    tenant: str
    name: str
    template: Template | SmartCoverRequest
    as_given: str
    is_default: bool = False
    created: datetime
    modified: datetime


# -- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackSettings:
    """Where a tenant wants a dialect's events. ``events``: the dialect's names of those wanted;
    empty: none. ``key``: signs them; ``None``: they are not signed. ``as_given``: the dialect's
    own text of the settings."""

    tenant: str
    dialect: str
    url: str
    events: frozenset[str] = frozenset()
    key: str | None = field(default=None, repr=False)
    as_given: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened to an asset; a dialect makes messages of it, in its vendor's words.

    ``asset``: as it is now; ``before``: as it was, where it changed. ``job``, ``sets``,
    ``pictures``: of a job that ended. ``via``: the call that led to it.
    """

    kind: EventKind
    time: datetime
    asset: Asset
    via: Via
    before: Asset | None = None
    job: Job | None = None
    sets: tuple[PictureSet, ...] = ()
    pictures: tuple[Picture, ...] = ()
    cover_path: str | None = None
    cover_path_before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackMessage:
    """A message to deliver: ``body`` is sent as it is; the dialect signs it when it is sent.

    ``attempts`` have failed so far; ``due``: when to try (again)."""

    id: str
    tenant: str
    dialect: str
    url: str
    body: bytes
    content_type: str
    key: str | None = field(default=None, repr=False)
    created: datetime
    due: datetime
    attempts: int = 0
