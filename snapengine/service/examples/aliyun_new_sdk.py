"""Snapshots, a sprite and a cover with Alibaba's current SDK, from a service of one's own.

    pip install alibabacloud-vod20170321
    snapengine serve --media-roots /srv/videos          # prints an access key
    ENDPOINT=127.0.0.1:8080 ACCESS_KEY_ID=... ACCESS_KEY_SECRET=... \\
        python aliyun_new_sdk.py file:///srv/videos/film.mp4

Only ``endpoint`` and ``protocol`` differ from a program that talks to the cloud. The SDK sends even
local calls to a proxy that HTTP_PROXY names: unset it.
"""

import json
import os
import sys
import time

from alibabacloud_tea_openapi.models import Config
from alibabacloud_vod20170321 import models
from alibabacloud_vod20170321.client import Client


def connect() -> Client:
    return Client(
        Config(
            access_key_id=os.environ["ACCESS_KEY_ID"],
            access_key_secret=os.environ["ACCESS_KEY_SECRET"],
            endpoint=os.environ["ENDPOINT"],
            protocol="http",
            # "v2" is the SDK's name for the older signature; without it, it signs by V3.
            signature_algorithm=os.environ.get("SIGNATURE_ALGORITHM"),
        )
    )


def register(client: Client, url: str) -> str:
    given = json.dumps([{"FileURL": url, "Title": "A film"}])
    body = client.register_media(models.RegisterMediaRequest(register_metadatas=given)).body
    if body.failed_file_urls:
        sys.exit(f"refused: {body.failed_file_urls}")
    return body.registered_media_list[0].media_id


def wait_for_video(client: Client, video_id: str):
    while True:
        video = client.get_video_info(models.GetVideoInfoRequest(video_id=video_id)).body.video
        if video.status not in ("Uploading", "UploadSucc"):
            return video
        time.sleep(0.2)


def wait_for_job(client: Client, job_id: str) -> None:
    request = models.GetJobDetailRequest(job_id=job_id, job_type="Snapshot")
    while True:
        detail = client.get_job_detail(request).body.snapshot_job_detail
        if detail.status != "Processing":
            print("job", job_id, detail.status)
            return
        time.sleep(0.2)


def show(client: Client, video_id: str, kind: str) -> list[str]:
    request = models.ListSnapshotsRequest(video_id=video_id, snapshot_type=kind)
    found = client.list_snapshots(request).body.media_snapshot
    urls = [snapshot.url for snapshot in found.snapshots.snapshot]
    print(kind, found.total, *urls)
    return urls


def main() -> None:
    client = connect()
    video_id = register(client, sys.argv[1])
    video = wait_for_video(client, video_id)
    print("video", video_id, video.status, video.duration, "cover", video.cover_url)

    # Pictures at 0, 2 and 4 seconds, and a sheet of them.
    job = client.submit_snapshot_job(
        models.SubmitSnapshotJobRequest(
            video_id=video_id,
            specified_offset_times=[0, 2000, 4000],
            width="320",
            sprite_snapshot_config=json.dumps({"Columns": 3, "Lines": 1, "CellWidth": 160}),
        )
    )
    wait_for_job(client, job.body.snapshot_job.job_id)
    pictures = show(client, video_id, "NormalSnapshot")
    show(client, video_id, "SpriteSnapshot")

    # A WebVTT track of a picture each second, by a template.
    template = client.add_vod_template(
        models.AddVodTemplateRequest(
            name="track",
            template_type="Snapshot",
            template_config=json.dumps(
                {
                    "SnapshotType": "WebVttSnapshot",
                    "SnapshotConfig": {
                        "Interval": 1,
                        "Width": 160,
                        "Format": "vtt",
                        "SubOut": {"IsSptFrag": "true"},
                    },
                }
            ),
        )
    )
    template_id = template.body.vod_template_id
    job = client.submit_snapshot_job(
        models.SubmitSnapshotJobRequest(video_id=video_id, snapshot_template_id=template_id)
    )
    wait_for_job(client, job.body.snapshot_job.job_id)
    show(client, video_id, "WebVttSnapshot")
    client.delete_vod_template(models.DeleteVodTemplateRequest(vod_template_id=template_id))

    # The second picture becomes the cover.
    client.update_video_info(
        models.UpdateVideoInfoRequest(video_id=video_id, cover_url=pictures[1])
    )
    print("cover", wait_for_video(client, video_id).cover_url)


if __name__ == "__main__":
    main()
