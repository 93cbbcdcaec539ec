"""A server that ends in the middle of a job, in an orderly way or not."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from snapengine.service import PYTHON, NewAsset, Service, Settings, SnapshotRequest
from snapengine.service.domain.ids import now
from snapengine.service.domain.records import Job
from tests.service.test_serve import serving
from tests.service.web_kit import KEY

FILM = "h264-mp4-longgop"


def begun(desk: Service, job: Job) -> None:
    """Wait until somebody is at the job."""
    ends = time.monotonic() + 60
    while desk.job(PYTHON, job.id).progress == 0:
        assert time.monotonic() < ends, desk.job(PYTHON, job.id)
        threading.Event().wait(0.05)  # another process does it: nobody here is told


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_there(pid: int) -> bool:
    """Whether a process is alive; one that has ended and waits for its parent is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_the_job_is_done_once_by_the_next_one(
    number: int, tmp_path: Path, media: Callable[[str], Path]
) -> None:
    film = media(FILM)
    data, roots = str(tmp_path / "data"), str(film.parent)
    flags = ("--data", data, "--media-roots", roots, "--workers", "1", "--quality", "95")
    desk = Service(Settings(data=data, media_roots=(roots,), workers=0, keys=KEY))
    try:
        asset, _ = desk.register(PYTHON, NewAsset(title="film", source=film.as_uri()))
        desk.cancel(PYTHON, desk.jobs(PYTHON)[1][0].id)
        # Far more pictures than a moment is enough for.
        request = SnapshotRequest(count=1000, interval=Fraction(1, 1000), width=960)
        job = desk.submit_snapshots(PYTHON, asset.id, request)
        with serving(*flags, SNAPENGINE_KEYS=KEY) as server:
            begun(desk, job)
            workers = children(server.process.pid)
            assert workers
            server.process.send_signal(number)
            server.process.communicate(timeout=30)
            assert server.process.returncode == (0 if number == signal.SIGTERM else -number)
        ends = time.monotonic() + 10
        while any(is_there(pid) for pid in workers):
            assert time.monotonic() < ends, "a worker outlived its server"
            threading.Event().wait(0.05)
        if number == signal.SIGTERM:
            assert desk.job(PYTHON, job.id).status == "queued"
            assert not os.listdir(tmp_path / "data" / "work")
        else:
            # Its lease ends in half a minute; we are there already.
            assert desk.job(PYTHON, job.id).status == "running"
            assert desk.database.requeue_expired(now() + timedelta(minutes=1), 2) == []
        with serving(*flags, SNAPENGINE_KEYS=KEY) as server:
            ended = desk.wait(PYTHON, job.id, 120)
            assert ended.status == "succeeded", ended
            assert server.end()[0] == 0
        _, sets = desk.sets(PYTHON, asset_id=asset.id, kinds=["snapshot"])
        assert [kept.job_id for kept in sets] == [job.id]
        files = list((tmp_path / "data" / "pictures").rglob("*.jpg"))
        assert len(files) == sets[0].count == 1000
        assert not os.listdir(tmp_path / "data" / "work")
    finally:
        desk.close()
