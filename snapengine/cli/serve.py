"""``snapengine serve``: the cover facade as a server."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from typing import Any

from ..errors import BackendMissing

#: What each setting is, for ``--help``. Those that hold secrets belong into the environment.
_ABOUT = {
    "keys": "who may call: AK:SK:PROJECT_ID[,...]; other users of this machine can see a flag, so "
    "rather in the environment (default: a pair made at the first start)",
    "data": "the folder of everything that is kept",
    "database": "SQLAlchemy URL (default: SQLite in the data folder)",
    "store": "a folder or fsspec URL for pictures (default: in the data folder)",
    "public_url": "what links begin with (default: as calls address the service)",
    "media_roots": "folders whose files file:// sources may name, separated by ':'",
    "source_schemes": "schemes of other sources, separated by ','",
    "allow_private": "sources, covers and callbacks may lie on private and loopback addresses",
    "workers": "processes that decode; 0: others serve the queue",
    "queue": "jobs that may wait",
    "tenant_queue": "jobs of one project that may wait",
    "job_seconds": "the longest that a job may take",
    "job_attempts": "how often a job is begun whose worker vanishes",
    "job_memory_bytes": "the most memory that a worker may hold",
    "max_pixels": "of one coded frame",
    "max_upload_bytes": "of one uploaded video",
    "quality": "of JPEG, 1 to 100",
    "track_mark": "before the place in a picture, in WebVTT tracks: ? or #",
    "cover": "how new assets get theirs: vendor, middle or head",
    "smart_cover": "whether Huawei's smart cover call answers",
    "process_status": "HTTP status of an unknown asset in Huawei's asset/process: 400 or 403",
    "signed_urls": "seconds that links to pictures hold; 0: they do not expire",
    "store_urls": "links lead to the store itself, signed by it",
    "callback_attempts": "how often a callback is sent at most",
    "huawei_callback_url": "where Huawei's events go: URL, or PROJECT_ID=URL,...",
    "huawei_callback_key": "what signs them; rather in the environment",
}


def add_serve(verbs: Any) -> None:
    """Add the command, with a flag for each setting."""
    from ..service.settings import PREFIX, Settings

    about = "the cover facade: answers the calls of cloud video services' SDKs"
    parser: argparse.ArgumentParser = verbs.add_parser(
        "serve",
        help=about,
        description=about,
        epilog=f"Each setting can also be given in the environment: {PREFIX}MEDIA_ROOTS and so on.",
    )
    # Texts are read like those of the command line, so a bad one in the environment is bad usage.
    parser.add_argument(
        "--host", default=os.environ.get(f"{PREFIX}HOST") or "127.0.0.1", metavar="H",
        help="address to listen on (default 127.0.0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=_port, default=os.environ.get(f"{PREFIX}PORT") or "8080", metavar="P",
        help="0 takes a free one (default 8080)",
    )  # fmt: skip
    group = parser.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        flag = f"--{field.name.replace('_', '-')}"
        text = _ABOUT[field.name]
        if isinstance(field.default, bool):
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
            continue
        if field.default not in ("", ()):
            shown = ",".join(field.default) if isinstance(field.default, tuple) else field.default
            text += f" (default {shown})"
        group.add_argument(flag, metavar=field.name.upper(), help=text)
    parser.set_defaults(run=serve)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, not {text!r}")
    return int(text)


def serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    from ..service.settings import Settings, settings_from

    given = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(Settings)}
    settings = settings_from(**given)
    try:
        from ..service.facade import Service
        from ..service.web.serving import serve as serve_service
    except ImportError as error:
        raise BackendMissing(
            f"serve needs a package that is not installed ({error.name}): "
            f"pip install 'snapengine[service]'"
        ) from error
    _set_up_logging()
    service = Service(settings)
    _tell_key(service)
    serve_service(
        service,
        arguments.host,
        arguments.port,
        lambda address: _say(f"snapengine: listening on {address}"),
    )


def _set_up_logging() -> None:
    import logging

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("snapengine").setLevel(logging.INFO)


def _tell_key(service: Any) -> None:
    if service.settings.keys:
        return
    key = service.fresh_key
    if key is None:
        _say(
            f"snapengine: the access key {next(iter(service.keys)).id} of the first start is used; "
            f"SNAPENGINE_KEYS=AK:SK:PROJECT_ID would set others"
        )
        return
    _say(
        "snapengine: a pair of keys was made; this is the only time it is shown\n"
        f"  access key id      {key.id}\n"
        f"  secret access key  {key.secret}\n"
        f"  project id         {key.project_id}\n"
        f"It is kept in {service.settings.data_folder}, which must stay private. "
        f"SNAPENGINE_KEYS=AK:SK:PROJECT_ID sets others."
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
