"""The dialects that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .aliyun import AliyunDialect
from .base import Dialect
from .huawei import HuaweiDialect

if TYPE_CHECKING:
    from ..facade import Service

__all__ = ["make_dialects"]


def make_dialects(service: Service) -> dict[str, Dialect]:
    """One of each, by its name, in the order in which they are asked who answers a path."""
    dialects: list[Dialect] = [AliyunDialect(service), HuaweiDialect(service)]
    return {dialect.name: dialect for dialect in dialects}
