"""Snapshots, a sprite and a cover with Alibaba's older SDK, from a service of one's own.

    pip install aliyun-python-sdk-vod
    snapengine serve --media-roots /srv/videos          # prints an access key
    ENDPOINT=127.0.0.1:8080 ACCESS_KEY_ID=... ACCESS_KEY_SECRET=... \\
        python aliyun_old_sdk.py file:///srv/videos/film.mp4

Only ``add_endpoint`` differs from a program that talks to the cloud. The SDK sends even local calls
to a proxy that HTTP_PROXY names: unset it.
"""

import json
import os
import sys
import time

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkvod.request.v20170321.DeleteVideoRequest import DeleteVideoRequest
from aliyunsdkvod.request.v20170321.GetJobDetailRequest import GetJobDetailRequest
from aliyunsdkvod.request.v20170321.GetVideoInfoRequest import GetVideoInfoRequest
from aliyunsdkvod.request.v20170321.ListSnapshotsRequest import ListSnapshotsRequest
from aliyunsdkvod.request.v20170321.RegisterMediaRequest import RegisterMediaRequest
from aliyunsdkvod.request.v20170321.SubmitSnapshotJobRequest import SubmitSnapshotJobRequest
from aliyunsdkvod.request.v20170321.UpdateVideoInfoRequest import UpdateVideoInfoRequest

REGION = "cn-shanghai"

client = AcsClient(os.environ["ACCESS_KEY_ID"], os.environ["ACCESS_KEY_SECRET"], REGION)
client.add_endpoint(REGION, "vod", os.environ["ENDPOINT"])


def call(request, **parameters):
    for name, value in parameters.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


def wait_for_video(video_id):
    while True:
        video = call(GetVideoInfoRequest(), VideoId=video_id)["Video"]
        if video["Status"] not in ("Uploading", "UploadSucc"):
            return video
        time.sleep(0.2)


def wait_for_job(job_id):
    while True:
        reply = call(GetJobDetailRequest(), JobId=job_id, JobType="Snapshot")
        detail = reply["SnapshotJobDetail"]
        if detail["Status"] != "Processing":
            print("job", job_id, detail["Status"], detail.get("ErrorMessage", ""))
            return
        time.sleep(0.2)


def show(video_id, kind):
    found = call(ListSnapshotsRequest(), VideoId=video_id, SnapshotType=kind)["MediaSnapshot"]
    urls = [snapshot["Url"] for snapshot in found["Snapshots"]["Snapshot"]]
    print(kind, found["Total"], *urls)
    return urls


def main():
    given = json.dumps([{"FileURL": sys.argv[1], "Title": "A film"}])
    reply = call(RegisterMediaRequest(), RegisterMetadatas=given)
    if reply["FailedFileURLs"]:
        sys.exit(f"refused: {reply['FailedFileURLs']}")
    video_id = reply["RegisteredMediaList"][0]["MediaId"]
    video = wait_for_video(video_id)
    print("video", video_id, video["Status"], video.get("Duration"), "cover", video.get("CoverURL"))

    # Five pictures spread over the film, and a sheet of them.
    reply = call(
        SubmitSnapshotJobRequest(),
        VideoId=video_id,
        Count=5,
        Interval=0,
        Height="120",
        SpriteSnapshotConfig="{'Columns': 2, 'Lines': 3, 'Padding': 4, 'Color': 'Tomato'}",
    )
    wait_for_job(reply["SnapshotJob"]["JobId"])
    pictures = show(video_id, "NormalSnapshot")
    show(video_id, "SpriteSnapshot")

    # The last one becomes the cover.
    call(UpdateVideoInfoRequest(), VideoId=video_id, CoverURL=pictures[-1])
    print("cover", wait_for_video(video_id)["CoverURL"])

    call(DeleteVideoRequest(), VideoIds=video_id)
    try:
        call(GetVideoInfoRequest(), VideoId=video_id)
    except ServerException as error:
        print("gone", error.get_http_status(), error.get_error_code())


if __name__ == "__main__":
    main()
