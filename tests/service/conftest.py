"""What tests of the service begin with."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapengine.service.facade import Service
from snapengine.service.settings import Settings
from tests.remote.conftest import no_leftovers
from tests.service.facade_kit import Talker

__all__ = ["no_leftovers"]


@pytest.fixture
def settled() -> Iterator[None]:
    """Threads of event loops that have ended have ended, too: nobody else waits for them."""
    yield
    for thread in threading.enumerate():
        if thread.name == "AnyIO worker thread":
            thread.join(10)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(b"not looked at here")
    return folder


@pytest.fixture
def service(tmp_path: Path, roots: Path) -> Iterator[Service]:
    service = Service(
        Settings(
            data=str(tmp_path / "data"), media_roots=(str(roots),), queue=5, tenant_queue=3,
            allow_private=True,
        ),
        dialects=lambda _: {"talker": Talker()},  # type: ignore[dict-item]
    )  # fmt: skip
    yield service
    service.close()
