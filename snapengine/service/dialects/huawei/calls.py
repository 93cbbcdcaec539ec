"""One call that has passed the gate, and what it is answered with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ...auth.keys import Key
from ...auth.wire import SignedRequest
from ...domain.records import Picture, PictureSet, Via
from .reading import Body, Query, body_of, query_of

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["Call", "Operation", "Reply", "all_pictures"]

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` ``None``: none."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A call of ``key``'s for its own project. Body and query are read when they are asked for."""

    service: Service
    key: Key
    via: Via
    request: SignedRequest

    @property
    def tenant(self) -> str:
        return self.key.project_id

    @functools.cached_property
    def body(self) -> Body:
        return body_of(self.request)

    @functools.cached_property
    def query(self) -> Query:
        return query_of(self.request)


#: Raises what :func:`~.faults.fault_of` knows.
Operation = Callable[[Call], Reply]


def all_pictures(service: Service, made: PictureSet) -> list[Picture]:
    """Every picture of a set, by number."""
    found: list[Picture] = []
    while page := service.pictures(made, offset=len(found), limit=_PAGE):
        found += page
        if len(page) < _PAGE:
            break
    return found
