"""Results put into a bucket of the worker's own."""

from __future__ import annotations

import asyncio

import pytest

from speech.errors import WorkerError
from speech.request import S3Target
from tests.s3_server import ACCESS_KEY, REGION, SECRET_KEY, Bucket
from utils import s3_upload
from utils.s3 import S3Settings
from utils.s3_upload import PART_BYTES
from utils.upload import File, Stored


def put(bucket: Bucket, target: S3Target, body: bytes) -> Stored:
    settings = S3Settings(ACCESS_KEY, SECRET_KEY, bucket.endpoint, bucket.name, REGION)
    file = File(body, "application/json")
    return asyncio.run(s3_upload.put(target, file, settings=settings))


@pytest.mark.parametrize(("size_bytes", "parts"), [(1000, 0), (PART_BYTES * 2 + 1, 3)])
def test_a_large_object_goes_in_parts_and_arrives_whole(
    bucket: Bucket, size_bytes: int, parts: int
) -> None:
    body = bytes(number % 251 for number in range(1000)) * (size_bytes // 1000 + 1)
    body = body[:size_bytes]
    stored = put(bucket, S3Target("large.json"), body)
    there = bucket.client.get_object(Bucket=bucket.name, Key="large.json")
    assert there["Body"].read() == body
    assert there["ContentType"] == "application/json"
    assert stored.size_bytes == size_bytes
    assert stored.etag == there["ETag"].strip('"')
    # S3 ends the tag of an object that came in parts with their number.
    assert stored.etag.partition("-")[2] == (str(parts) if parts else "")


def test_a_bucket_that_is_not_there_refuses(bucket: Bucket) -> None:
    with pytest.raises(WorkerError) as caught:
        put(bucket, S3Target("x.json", "no-such-bucket"), b"{}")
    assert caught.value.code == "output_refused"
    assert "NoSuchBucket" in caught.value.message
