"""Where events go: one address for all of a tenant's."""

from __future__ import annotations

import json
import re
from typing import Final

from ....domain.records import CallbackSettings
from ..calls import Action, Call, Reply
from ..faults import invalid, missing
from ..naming import DIALECT
from ..parameters import check_url

__all__ = ["CALLBACKS"]

_MAX_URL: Final = 256
_MAX_EVENTS: Final = 2048
_MAX_KEY: Final = 32
_EVENT: Final = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
_APP: Final = "app-1000000"


def set_callback(call: Call) -> Reply:
    """``SetMessageCallback``. Queues (``MNS``) are refused: nothing here could fill one."""
    given = call.given
    given.word("CallbackType", {"http": "HTTP"}, "HTTP")
    url = check_url("CallbackURL", given.required("CallbackURL", _MAX_URL), _MAX_URL)
    listed = given.text("EventTypeList", _MAX_EVENTS) or ""
    events = [name.strip() for name in listed.split(",") if name.strip()]
    if not all(_EVENT.fullmatch(name) for name in events):
        raise invalid("EventTypeList")
    signed = given.word("AuthSwitch", {"on": True, "off": False}, "off")
    key = given.text("AuthKey", _MAX_KEY) or None
    if key is not None and not _is_key(key):
        raise invalid("AuthKey")
    if signed and key is None:
        raise missing("AuthKey")
    app = given.text("AppId", 64) or _APP
    shown = {
        "CallbackType": "HTTP",
        "CallbackURL": url,
        "EventTypeList": ",".join(events),
        "AuthSwitch": "on" if signed else "off",
        "AuthKey": key or "",
        "AppId": app,
    }
    call.service.set_callback(
        CallbackSettings(
            tenant=call.tenant,
            dialect=DIALECT,
            url=url,
            events=frozenset(events),
            key=key if signed else None,
            as_given=json.dumps(shown),
        )
    )
    return {}


def _is_key(text: str) -> bool:
    """Capitals, small letters and digits, each at least once."""
    if not text.isascii() or not text.isalnum():
        return False
    return all(
        any(test(letter) for letter in text) for test in (str.isupper, str.islower, str.isdigit)
    )


def get_callback(call: Call) -> Reply:
    """``GetMessageCallback``."""
    settings = call.service.callback(call.tenant, DIALECT)
    return {"MessageCallback": dict(json.loads(settings.as_given))}


def delete_callback(call: Call) -> Reply:
    """``DeleteMessageCallback``."""
    call.service.delete_callback(call.tenant, DIALECT)
    return {}


CALLBACKS: Final = {
    "SetMessageCallback": Action(set_callback, ("CallbackURL",)),
    "GetMessageCallback": Action(get_callback),
    "DeleteMessageCallback": Action(delete_callback),
}
