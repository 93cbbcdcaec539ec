"""Huawei Cloud VOD's API: paths, AK/SK signatures and tokens, its errors and its events."""

from .dialect import HuaweiDialect

__all__ = ["HuaweiDialect"]
