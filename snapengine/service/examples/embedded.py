"""The service inside another ASGI application, and its domain calls without HTTP.

    pip install 'snapengine[service]'
    python embedded.py /srv/videos film.mp4

Cloud SDKs reach it below the prefix it is mounted at, or at a host of its own; the application
itself calls it as a library. FastAPI mounts it in the same way: ``api.mount("/vod", vod)``.
"""

import sys
from fractions import Fraction
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from snapengine.service import (
    PYTHON,
    NewAsset,
    Service,
    Settings,
    SnapshotRequest,
    SpriteRequest,
    create_app,
)


def application(service: Service) -> Starlette:
    """Another application, with the service at /vod and a call of its own."""

    def films(request: Request) -> JSONResponse:
        total, assets = service.assets(PYTHON)
        return JSONResponse({"total": total, "titles": [asset.title for asset in assets]})

    return Starlette(routes=[Route("/films", films), Mount("/vod", create_app(service))])


def main() -> None:
    folder, name = Path(sys.argv[1]).resolve(), sys.argv[2]
    with Service(Settings(data="covers", media_roots=(str(folder),))) as service:
        asset, _ = service.register(PYTHON, NewAsset(title=name, source=(folder / name).as_uri()))
        looked_at = service.jobs(PYTHON, asset_id=asset.id)[1][0]
        service.wait(PYTHON, looked_at.id)
        asset = service.asset(PYTHON, asset.id)
        if asset.facts is None:
            sys.exit(f"{name}: {asset.failure}")
        print(asset.facts.codec, f"{asset.facts.width}x{asset.facts.height}")

        request = SnapshotRequest(
            count=10,
            interval=Fraction(0),
            width=320,
            sprite=SpriteRequest(columns=5, lines=2, cell_width=160),
        )
        job = service.wait(PYTHON, service.submit_snapshots(PYTHON, asset.id, request).id)
        if job.failure is not None:
            sys.exit(f"{name}: {job.failure}")
        for kept in service.sets(PYTHON, job_id=job.id)[1]:
            for picture in service.pictures(kept):
                file = Path(f"{kept.kind}-{picture.number:02d}.jpg")
                file.write_bytes(service.read(picture))
                print(file, f"{picture.width}x{picture.height}", picture.time)

        application(service)  # uvicorn.run(application(service)) serves it


if __name__ == "__main__":
    main()
