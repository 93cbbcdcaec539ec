"""Templates of snapshots."""

from __future__ import annotations

from typing import Final

from ....domain.records import StoredTemplate
from ....domain.requests import Template
from .. import config
from ..calls import Action, Call, Reply, stamp
from ..faults import no_such_resource
from ..parameters import is_id

__all__ = ["TEMPLATES"]

_MAX_NAME: Final = 128
#: The only type that is understood.
_TYPES: Final = {"snapshot": "Snapshot"}
_APP: Final = "app-1000000"


def add(call: Call) -> Reply:
    """``AddVodTemplate``."""
    name = call.given.required("Name", _MAX_NAME)
    call.given.word("TemplateType", _TYPES)
    text = call.given.required("TemplateConfig", config.MAX_JSON)
    template = Template(name=name, request=config.snapshot_template(text))
    stored = call.service.add_template(call.tenant, name, template, text)
    return {"VodTemplateId": stored.id}


def update(call: Call) -> Reply:
    """``UpdateVodTemplate``: what is not given stays."""
    name = call.given.text("Name", _MAX_NAME) or None
    text = call.given.text("TemplateConfig", config.MAX_JSON) or None
    request = None if text is None else config.snapshot_template(text)
    stored, template = _stored(call)
    changed = Template(name=name or template.name, request=request or template.request)
    call.service.update_template(call.tenant, stored.id, name=name, template=changed, as_given=text)
    return {"VodTemplateId": stored.id}


def get(call: Call) -> Reply:
    """``GetVodTemplate``."""
    return {"VodTemplateInfo": _info(_stored(call)[0])}


def listed(call: Call) -> Reply:
    """``ListVodTemplate``: all of them, as the vendor does."""
    call.given.word("TemplateType", _TYPES)
    return {
        "VodTemplateInfoList": [
            {**_info(stored), "AppId": _APP}
            for stored in call.service.templates(call.tenant)
            if isinstance(stored.template, Template)
        ]
    }


def delete(call: Call) -> Reply:
    """``DeleteVodTemplate``."""
    stored, _ = _stored(call)
    call.service.delete_template(call.tenant, stored.id)
    return {"VodTemplateId": stored.id}


def _stored(call: Call) -> tuple[StoredTemplate, Template]:
    id = call.given.required("VodTemplateId", config.MAX_JSON)
    if not is_id(id):
        raise no_such_resource(id)
    stored = call.service.template(call.tenant, id)
    if not isinstance(stored.template, Template):
        raise no_such_resource(id)
    return stored, stored.template


def _info(stored: StoredTemplate) -> dict[str, str]:
    return {
        "Name": stored.name,
        "TemplateType": "Snapshot",
        "VodTemplateId": stored.id,
        "CreationTime": stamp(stored.created),
        "ModifyTime": stamp(stored.modified),
        "IsDefault": "Default" if stored.is_default else "NotDefault",
        "Source": "Custom",
        "TemplateConfig": stored.as_given,
    }


TEMPLATES: Final = {
    "AddVodTemplate": Action(add, ("Name", "TemplateType", "TemplateConfig")),
    "UpdateVodTemplate": Action(update, ("VodTemplateId",)),
    "GetVodTemplate": Action(get, ("VodTemplateId",)),
    "ListVodTemplate": Action(listed, ("TemplateType",)),
    "DeleteVodTemplate": Action(delete, ("VodTemplateId",)),
}
