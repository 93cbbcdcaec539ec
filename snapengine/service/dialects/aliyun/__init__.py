"""Alibaba Cloud VOD: RPC calls at ``/``, version 2017-03-21, signed by v1 or ACS3-HMAC-SHA256."""

from .dialect import AliyunDialect

__all__ = ["AliyunDialect"]
