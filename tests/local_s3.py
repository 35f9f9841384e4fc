"""An S3 server on loopback, with the buckets and rights that a test gives it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUCKET = "bucket"


class S3:
    """The server: its objects, and what it was asked."""

    def __init__(self, url: str, client: Any) -> None:
        self.url = url
        self._client = client

    def put(self, key: str, content: bytes) -> None:
        """Put an object."""
        self._client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def put_folder(self, folder: Path, below: str) -> str:
        """Put the files of a folder; gives their address."""
        for path in folder.rglob("*"):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
                self.put(f"{below}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"s3://{BUCKET}/{below}"

    def keys(self, below: str = "") -> list[str]:
        """The objects, by name."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=below)
        return [one["Key"] for one in found.get("Contents", [])]

    def get(self, key: str) -> bytes:
        """An object."""
        content: bytes = self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content


@contextmanager
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A server with an empty bucket, and this process turned to it, as a user's environment would."""
    import boto3
    from moto.server import ThreadedMotoServer

    from mix665k.schemas import remote
    from mix665k.schemas.images.remote import images_at_address

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "hidden",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "WAIT_S", 0.0)
    remote._system.cache_clear()
    images_at_address.cache_clear()
    client = boto3.client("s3", endpoint_url=url)
    client.create_bucket(Bucket=BUCKET)
    try:
        yield S3(url, client)
    finally:
        server.stop()
        remote._system.cache_clear()
        images_at_address.cache_clear()
