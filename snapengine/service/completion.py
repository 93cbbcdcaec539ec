"""What becomes of a job's work: its files go to the store, the rest into the database at once."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import SnapError, StoreError
from .calls.core import STORING
from .calls.covers import CoverCalls
from .domain.failures import ServiceUnavailable
from .domain.ids import new_id, now
from .domain.records import (
    Asset,
    Cover,
    CoverOrigin,
    Event,
    Failure,
    IngestRequest,
    Job,
    Picture,
    PictureSet,
    SmartCoverRequest,
)
from .jobs.orders import Made, MadeFile, WorkOrder, beside
from .naming import blob_name, has_fixed_covers, public_path, set_pattern, suffix_of
from .storage.database import Settled

__all__ = ["Completion"]

_log = logging.getLogger(__name__)
_PIECE = 1 << 20


class Completion:
    """The runner's host: writes orders, takes what was made, and clears what nobody needs.

    Thread-safe: the runner calls it from the thread of each worker.
    """

    def __init__(self, service: CoverCalls) -> None:
        self._service = service

    def order(self, job: Job, asset: Asset, folder: Path) -> WorkOrder:
        """All that a worker needs to do ``job``, and nothing that it does not."""
        settings = self._service.settings
        assert asset.source is not None
        return WorkOrder(
            job_id=job.id,
            kind=job.kind,
            source=asset.source,
            request=job.request,
            folder=str(folder),
            roots=(*settings.media_roots, str(self._service.uploads)),
            network=settings.network,
            limits=settings.limits,
            threads=1 if settings.workers > 1 else os.cpu_count() or 1,
            quality=settings.quality,
            memory_bytes=settings.job_memory_bytes,
            track_pictures=beside(*self._track_patterns(job)),
            mark=settings.track_mark,
        )

    def _track_patterns(self, job: Job) -> tuple[str, str]:
        """The public paths of a track, and of the pictures it names."""
        naming = job.via.naming
        return (
            set_pattern(naming, "track", job.asset_id, job.id, "vtt"),
            set_pattern(naming, "track_picture", job.asset_id, job.id, "jpg"),
        )

    # -- ends -------------------------------------------------------------------------------

    def complete(self, job: Job, owner: str, made: Made, folder: Path) -> None:
        """Keep what was made. A job that was cancelled meanwhile leaves nothing behind."""
        store = self._service.store
        stored: list[str] = []
        kept = False
        try:
            made = _with_fixed_cover(job, made)
            sets = self._store(job, made, folder, stored)
            kept = self._finish(job, owner, made, sets)
        except StoreError as exc:
            self.fail(job, owner, Failure(code=exc.code, message="a picture could not be stored"))
            _log.error("job %s: %s", job.id, exc)
        except ServiceUnavailable:
            kept = True  # nobody knows: rather a stray file than a picture without one
            raise
        finally:
            if not kept:
                store.delete(stored)
        self.clear_garbage()

    def fail(self, job: Job, owner: str, failure: Failure) -> None:
        """The job ends without a result, and says why."""
        service = self._service
        ended = replace(job, status="failed", failure=failure, finished=now())
        settings = service.callback_of(job.tenant, job.via)

        def settle(asset: Asset) -> Settled:
            after = asset
            if job.kind == "ingest":
                after = replace(asset, status="failed", failure=failure, modified=now())
            event = Event(
                kind="job_done", time=now(), asset=after, before=asset, via=job.via, job=ended
            )
            return Settled(asset=after, messages=service.messages_of(event, settings))

        if service.database.finish(ended, owner, settle):
            service.notify()
            service.ended.tell()

    def _finish(
        self, job: Job, owner: str, made: Made, sets: list[tuple[PictureSet, list[Picture]]]
    ) -> bool:
        service = self._service
        ended = replace(job, status="succeeded", progress=1.0, finished=now())
        settings = service.callback_of(job.tenant, job.via)
        pictures = [picture for _, pictures in sets for picture in pictures]
        chosen = _chosen(made, pictures)
        old = service.database.asset(job.tenant, job.asset_id)
        old_path = None if old is None else service.cover_path(old)

        unwanted: list[str] = []

        def settle(asset: Asset) -> Settled:
            cover = _cover_after(asset, job, made, chosen)
            after = replace(asset, cover=cover, facts=made.facts, modified=now())
            if job.kind == "ingest":
                after = replace(after, status="ready", failure=None)
            taken = chosen is not None and cover is not None and cover.picture_id == chosen.id
            # A cover that its owner has set meanwhile stays, also under the address of covers.
            kept = [one for one in sets if taken or one[0].kind != "cover"]
            unwanted[:] = [p.blob for one in sets if one not in kept for p in one[1]]
            event = Event(
                kind="job_done",
                time=now(),
                asset=after,
                before=asset,
                via=job.via,
                job=ended,
                sets=tuple(one for one, _ in kept),
                pictures=tuple(picture for _, pictures in kept for picture in pictures),
                cover_path=chosen.path if taken and chosen is not None else old_path,
                cover_path_before=old_path,
            )
            return Settled(
                asset=after,
                sets=kept,
                messages=service.messages_of(event, settings),
                follow=self._following(job, asset),
            )

        finished = service.database.finish(ended, owner, settle)
        if finished:
            service.store.delete(unwanted)
            service.notify()
            service.ended.tell()
        return finished

    def _following(self, job: Job, asset: Asset) -> Job | None:
        """What a new asset's call asked for beside it."""
        request = job.request
        if not isinstance(request, IngestRequest) or request.thumbnails is None:
            return None
        return Job(
            id=new_id(), tenant=asset.tenant, asset_id=asset.id, kind="thumbnails",
            request=request.thumbnails, via=job.via, follows=True, created=now(),
        )  # fmt: skip

    # -- files ------------------------------------------------------------------------------

    def _store(
        self, job: Job, made: Made, folder: Path, stored: list[str]
    ) -> list[tuple[PictureSet, list[Picture]]]:
        """Put every file into the store; ``stored`` grows with each, for whoever clears up."""
        sets = []
        for kind in dict.fromkeys(file.kind for file in made.files):
            files = sorted((f for f in made.files if f.kind == kind), key=lambda f: f.number)
            suffix = suffix_of(files[0].media_type)
            one = PictureSet(
                id=new_id(),
                tenant=job.tenant,
                asset_id=job.asset_id,
                job_id=job.id,
                kind=kind,
                pattern=set_pattern(job.via.naming, kind, job.asset_id, job.id, suffix),
                count=len(files),
                created=now(),
            )
            database = self._service.database
            database.expect_blobs([_blob(job, one, file) for file in files], now() + STORING)
            sets.append((one, [self._picture(job, one, file, folder, stored) for file in files]))
        return sets

    def _picture(
        self, job: Job, one: PictureSet, file: MadeFile, folder: Path, stored: list[str]
    ) -> Picture:
        local = folder / file.file
        if local.is_symlink() or not local.is_file():
            raise StoreError(f"the worker made no file {file.file}", stage="store")
        blob = _blob(job, one, file)
        digest, size = _digest(local)
        stored.append(blob)
        self._service.store.put(blob, local)
        return Picture(
            id=new_id(),
            set_id=one.id,
            tenant=job.tenant,
            asset_id=job.asset_id,
            kind=file.kind,
            number=file.number,
            name=file.name,
            path=public_path(one.pattern, file.number, file.name),
            blob=blob,
            media_type=file.media_type,
            size=size,
            digest=digest,
            width=file.width,
            height=file.height,
            requested=file.requested,
            time=file.time,
            score=file.score,
            created=one.created,
        )

    def clear_garbage(self) -> None:
        """Remove from the store what belonged to things that were deleted.

        What cannot be removed now stays on the list.
        """
        service = self._service
        while names := service.database.garbage():
            gone = []
            for name in names:
                try:
                    if name.startswith("blob:"):
                        service.store.delete([name.removeprefix("blob:")])
                    else:
                        self._remove_upload(Path(name.removeprefix("upload:")))
                    gone.append(name)
                except (SnapError, OSError) as exc:
                    _log.warning("a deleted thing's file cannot be removed yet: %s", exc)
            service.database.forget_garbage(gone)
            if len(gone) < len(names):
                return

    def _remove_upload(self, path: Path) -> None:
        """Only what was uploaded: a caller's own file stays where it is."""
        if path.parent == self._service.uploads:
            path.unlink(missing_ok=True)


def _blob(job: Job, one: PictureSet, file: MadeFile) -> str:
    """A name of its own for every attempt: what a lost one stored must not be overwritten."""
    return blob_name(job.tenant, job.asset_id, job.id, f"{one.id[:8]}-{file.file}")


def _with_fixed_cover(job: Job, made: Made) -> Made:
    """Where covers have an address of their own, the chosen picture is one of kind "cover"."""
    chosen = next((f for f in made.files if (f.kind, f.number) == made.cover), None)
    if chosen is None or chosen.kind == "cover" or not has_fixed_covers(job.via.naming):
        return made
    copy = replace(chosen, kind="cover", number=1, name="1")
    return replace(made, files=(*made.files, copy), cover=("cover", 1))


def _chosen(made: Made, pictures: Iterable[Picture]) -> Picture | None:
    """The picture that the worker says becomes the cover."""
    if made.cover is None:
        return None
    for picture in pictures:
        if (picture.kind, picture.number) == made.cover:
            return picture
    return None


def _cover_after(asset: Asset, job: Job, made: Made, chosen: Picture | None) -> Cover | None:
    """The asset's cover once the job is done. A cover that its owner set meanwhile stays."""
    if chosen is None:
        if made.cover_problem and asset.cover == _given(job):
            return None
        return asset.cover
    if job.kind == "ingest":
        if asset.cover is None:
            return Cover(origin="auto", picture_id=chosen.id)
        given = _given(job)
        if given is None or asset.cover != given:
            return asset.cover
        if made.cover_problem:
            return Cover(origin="auto", picture_id=chosen.id)
        return replace(given, picture_id=chosen.id)
    if job.follows and asset.cover is not None and asset.cover.origin != "auto":
        return asset.cover
    origin: CoverOrigin = "picture"
    if isinstance(job.request, SmartCoverRequest):
        if not job.request.set_cover:
            return asset.cover
        origin = "smart"
    return Cover(origin=origin, picture_id=chosen.id)


def _given(job: Job) -> Cover | None:
    """The cover that the asset's own call gave, as it was before anybody fetched it."""
    request = job.request
    if not isinstance(request, IngestRequest) or request.cover_url is None:
        return None
    return Cover(origin="external", url=request.cover_url)


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256 in hex, and the size."""
    whole, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
            size += len(piece)
    return whole.hexdigest(), size
