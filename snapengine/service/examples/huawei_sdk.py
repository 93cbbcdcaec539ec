"""Covers and thumbnails through Huawei Cloud's own SDK, from snapengine instead of the cloud.

Only the endpoint is not the cloud's::

    snapengine serve --keys my-ak:my-secret-key:my-project --port 8080
    python huawei_sdk.py http://127.0.0.1:8080 my-ak my-secret-key my-project https://host/a.mp4
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkvod.v1 import (
    AssetProcessReq,
    CreateAssetProcessTaskRequest,
    DeleteAssetsRequest,
    ListThumbnailDetailsRequest,
    ShowAssetDetailRequest,
    Thumbnail,
    UpdateCoverByThumbnailReq,
    UpdateCoverByThumbnailRequest,
    UploadMetaDataByUrl,
    UploadMetaDataByUrlReq,
    UploadMetaDataByUrlRequest,
    VodClient,
)

endpoint, access_key, secret_key, project_id, video = sys.argv[1:]
client = (
    VodClient.new_builder()
    .with_credentials(BasicCredentials(access_key, secret_key, project_id))
    .with_endpoint(endpoint)
    .build()
)


def details(asset_id: str) -> Any:
    return client.show_asset_detail(ShowAssetDetailRequest(asset_id=asset_id))


def wait_for(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, asked for again until it is there."""
    for _ in range(300):
        found = look()
        if found:
            return found
        time.sleep(0.2)
    sys.exit("it takes too long")


# The video is pulled from its address; its first picture that is not black becomes its cover.
upload = UploadMetaDataByUrl(video_type="MP4", title="A film", url=video)
pulled = client.upload_meta_data_by_url(
    UploadMetaDataByUrlRequest(body=UploadMetaDataByUrlReq(upload_metadatas=[upload]))
).upload_assets[0]
if pulled.error_code:
    sys.exit(f"{pulled.error_code}: {pulled.error_msg}")
asset_id = pulled.asset_id
cover = wait_for(lambda: details(asset_id).base_info.cover_info_array)[0].cover_url
print("cover", cover)

# Thumbnails: the first frame, one each second, the last frame; the second one is the new cover.
task = client.create_asset_process_task(
    CreateAssetProcessTaskRequest(
        body=AssetProcessReq(
            asset_id=asset_id,
            thumbnail=Thumbnail(type="time", time=1, cover_position=2, max_length=320),
        )
    )
)
info = wait_for(lambda: details(asset_id).thumbnail_info)
for shot in info.sample:
    print("thumbnail", shot.offset, shot.url)
listed = client.list_thumbnail_details(
    ListThumbnailDetailsRequest(task_id=task.thumbnail_task_id, limit=100)
)
print("total", listed.total)

# Another one becomes the cover. The cover's address stays, the picture behind it changes.
client.update_cover_by_thumbnail(
    UpdateCoverByThumbnailRequest(body=UpdateCoverByThumbnailReq(thumbnail_url=info.sample[-1].url))
)
print("cover", details(asset_id).base_info.cover_info_array[0].cover_url)

# Errors are the cloud's, too.
client.delete_assets(DeleteAssetsRequest(asset_id=[asset_id]))
try:
    details(asset_id)
except ClientRequestException as error:
    print("error", error.status_code, error.error_code)
