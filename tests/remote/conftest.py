"""What most tests of HTTP begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fault_server import FaultServer, leftovers
from .reader import DATA, PATH


@pytest.fixture
def no_leftovers() -> Iterator[None]:
    """No socket and no thread is there that was not there before."""
    before = leftovers()
    yield
    assert leftovers() == before


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """One that serves ``DATA`` at ``PATH``."""
    with FaultServer({PATH: DATA}) as server:
        yield server
