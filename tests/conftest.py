"""Shared fixtures: generated media, optional real media, the hypothesis profiles.

``SNAPENGINE_REQUIRE`` (comma separated) turns a skip into a failure: with ``media`` in it, missing
real files fail the run instead of being left out. ``SNAPENGINE_MEDIA`` names their folder; without
it ``../shared/media`` next to the repository is tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from tests.media.atlas import ATLAS
from tests.media.oracle import Truth
from tests.media.recipes import Recipe, build

ROOT = Path(__file__).resolve().parent.parent
NOT_VIDEO = {".md", ".txt", ".json"}

hypothesis.settings.register_profile(
    "dev", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# The same examples on every run: a red CI is red again on the developer's machine.
hypothesis.settings.register_profile(
    "ci", hypothesis.settings.get_profile("dev"), derandomize=True, database=None
)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


def required(what: str) -> bool:
    """Whether SNAPENGINE_REQUIRE names this."""
    return what in os.environ.get("SNAPENGINE_REQUIRE", "").replace(",", " ").split()


def real_media_folder() -> Path:
    """Where the optional real files are, whether or not they exist."""
    named = os.environ.get("SNAPENGINE_MEDIA")
    return Path(named) if named else ROOT.parent / "shared" / "media"


def real_files() -> list[Path]:
    """The real video files present, by name."""
    folder = real_media_folder()
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix not in NOT_VIDEO)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise ``real_file`` over the files present; a module may narrow it by a predicate."""
    if "real_file" not in metafunc.fixturenames:
        return
    wanted: Callable[[Path], bool] = getattr(metafunc.function, "real_file_wanted", lambda _p: True)
    files = [path for path in real_files() if wanted(path)]
    if files:
        metafunc.parametrize("real_file", files, ids=lambda path: path.name, indirect=True)
    else:
        metafunc.parametrize("real_file", [None], ids=["absent"], indirect=True)


@pytest.fixture
def real_file(request: pytest.FixtureRequest) -> Path:
    """One real video file."""
    path: Path | None = request.param
    if path is None:
        message = f"no real media in {real_media_folder()} (see SNAPENGINE_MEDIA)"
        if required("media"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def media() -> Callable[[str | Recipe], Path]:
    """``media("h264-ts")`` or ``media(Recipe(...))``: the path of a generated video."""

    def make(what: str | Recipe) -> Path:
        return build(ATLAS[what] if isinstance(what, str) else what)

    return make


@pytest.fixture(scope="session")
def truth(media: Callable[[str | Recipe], Path]) -> Callable[[str | Recipe | Path], Truth]:
    """The oracle's table of a generated video or of a file."""

    def of(what: str | Recipe | Path) -> Truth:
        return Truth.of(what if isinstance(what, Path) else media(what))

    return of
