"""One authentic call: whose it is, what it gives, and the service it is made to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ...domain.failures import WrongStatus
from ...domain.records import Asset, Via
from .faults import missing, no_such_video
from .parameters import Parameters
from .replies import Value

if TYPE_CHECKING:
    from ...facade import Service

__all__ = ["Action", "Call", "Reply", "present", "stamp"]

#: What an action answers, without ``RequestId``.
Reply = Mapping[str, Value]

#: Statuses of an asset in which the vendor lets its pictures be asked for.
_USABLE: Final = ("arrived", "ready")


@dataclass(frozen=True, slots=True)
class Call:
    """What an action works with."""

    service: Service
    tenant: str
    via: Via
    given: Parameters

    def asset(self) -> Asset:
        """The asset that ``VideoId`` names, or ``ReferenceId`` where there is none."""
        return self._named("VideoId", "ReferenceId")

    def media(self) -> Asset:
        """The asset that ``MediaId`` names."""
        return self._named("MediaId")

    def usable(self) -> Asset:
        """:meth:`asset`, once its video has come."""
        asset = self.asset()
        if asset.status not in _USABLE:
            raise WrongStatus("the asset's video is not there", id=asset.id, status=asset.status)
        return asset

    def _named(self, name: str, reference: str | None = None) -> Asset:
        id = self.given.id(name)
        if id is None and reference is not None:
            other = self.given.id(reference)
            if other:
                return self.service.asset_by_reference(self.tenant, other)
            id = other
        if id is None:
            raise missing(name)
        if not id:
            raise no_such_video()
        return self.service.asset(self.tenant, id)


@dataclass(frozen=True, slots=True)
class Action:
    """What a call of one name does. ``required``: looked for first, in the order declared; of
    ``A|B`` either must be there, and ``A`` is what is missed."""

    run: Callable[[Call], Reply]
    required: tuple[str, ...] = ()


def stamp(time: datetime) -> str:
    """``yyyy-MM-ddTHH:mm:ssZ``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def present(given: Mapping[str, Value | None]) -> dict[str, Value]:
    """Without the members that have nothing to say."""
    return {name: value for name, value in given.items() if value is not None}
