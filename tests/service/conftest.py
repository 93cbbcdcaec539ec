"""What tests of the service begin with."""

from tests.remote.conftest import no_leftovers

__all__ = ["no_leftovers"]
