"""Answers as bytes, JSON or XML, and the errors among them.

A list in XML repeats its element; so a wrapped list (``{"Snapshots": {"Snapshot": [...]}}``) and a
bare one come out as the vendor writes them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote
from xml.sax.saxutils import escape

from .faults import Fault

__all__ = ["Answer", "Format", "Value", "failure", "host_id", "new_request_id", "success"]

Format = Literal["json", "xml"]
#: What an answer is made of.
Value = str | int | float | bool | Mapping[str, "Value"] | Sequence["Value"]

#: Exactly so: the vendor's SDKs choose their parser by it.
_TYPES: Final[dict[Format, str]] = {
    "json": "application/json;charset=utf-8",
    "xml": "text/xml;charset=utf-8",
}
_HOST: Final = re.compile(r"(?:https?://)?([A-Za-z0-9.:\[\]_-]{1,255})/?")
#: What XML 1.0 (section 2.2) has no way to write.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, whole."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


def new_request_id() -> str:
    """A UUID in capitals."""
    return str(uuid.uuid4()).upper()


def host_id(host: bytes | None) -> str:
    """The ``Host`` header for an answer; some clients send a whole URL, some nonsense."""
    found = _HOST.fullmatch((host or b"").decode("latin-1"))
    return found[1] if found else ""


def success(
    action: str, given: Mapping[str, Value], request_id: str, form: Format = "json"
) -> Answer:
    """What an action has to say. ``given`` never has a ``Code``: some SDKs take it for an error."""
    said: dict[str, Value] = {"RequestId": request_id, **given}
    if form == "json":
        return _answer(200, json.dumps(said, ensure_ascii=False), form, request_id)
    text = f'<?xml version="1.0" encoding="UTF-8"?>{_element(f"{action}Response", said)}'
    return _answer(200, text, form, request_id)


def failure(fault: Fault, request_id: str, host: str, form: Format = "json") -> Answer:
    """An error, with a capital letter at every key: SDKs read no other."""
    recommend = f"https://api.aliyun.com/troubleshoot?q={quote(fault.code)}&product=vod"
    said = {
        "RequestId": request_id,
        "HostId": host,
        "Code": fault.code,
        "Message": fault.message,
        "Recommend": recommend,
    }
    more = {} if fault.retry_after is None else {"x-acs-retry-after": str(fault.retry_after)}
    if form == "json":
        text = json.dumps(said, ensure_ascii=False)
    else:
        link = said.pop("Recommend")
        inner = "".join(_element(name, value) for name, value in said.items())
        text = (
            "<?xml version='1.0' encoding='UTF-8'?>"
            f"<Error>{inner}<Recommend><![CDATA[{link}]]></Recommend></Error>"
        )
    return _answer(fault.status, text, form, request_id, more)


def _answer(
    status: int, text: str, form: Format, request_id: str, more: Mapping[str, str] | None = None
) -> Answer:
    headers = {"x-acs-request-id": request_id, "Cache-Control": "no-store", **(more or {})}
    # A lone surrogate, if one should ever get here, must not be the reason of another error.
    return Answer(status, text.encode("utf-8", "replace"), _TYPES[form], headers)


def _element(name: str, value: Value) -> str:
    if isinstance(value, Mapping):
        inner = "".join(_element(key, each) for key, each in value.items())
        return f"<{name}>{inner}</{name}>"
    if isinstance(value, str):
        return f"<{name}>{escape(_NOT_XML.sub('?', value))}</{name}>"
    if isinstance(value, bool):
        return f"<{name}>{str(value).lower()}</{name}>"
    if isinstance(value, Sequence):
        return "".join(_element(name, each) for each in value)
    return f"<{name}>{value}</{name}>"
