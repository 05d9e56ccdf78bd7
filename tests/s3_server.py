"""A real S3 server over HTTP on this machine, with one bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "AKIDTESTONLY"
SECRET_KEY = "secret-of-the-tests"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and a client that may do everything in it."""

    endpoint: str
    name: str
    client: S3Client

    @property
    def host(self) -> str:
        """host:port of the server."""
        return urlsplit(self.endpoint).netloc

    def put(self, key: str, data: bytes) -> None:
        """Store an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def presign(self, key: str) -> str:
        """A URL that whoever holds it can GET the object from."""
        return self.client.generate_presigned_url(
            "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=3600
        )

    def worker_variables(self) -> dict[str, str]:
        """The environment of a worker that reads from this bucket."""
        return {
            "S3_ENDPOINT": self.endpoint,
            "S3_BUCKET": self.name,
            "S3_REGION": REGION,
            "S3_ACCESS_KEY": ACCESS_KEY,
            "S3_SECRET_KEY": SECRET_KEY,
            "PARAKEET_ALLOWED_PRIVATE_HOSTS": self.host,
        }


@contextlib.contextmanager
def s3_bucket(name: str = "recordings") -> Iterator[Bucket]:
    """Serve an empty bucket on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(Bucket=name)
        yield Bucket(f"http://{host}:{port}", name, client)
        client.close()
    finally:
        server.stop()
