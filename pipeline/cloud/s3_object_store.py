"""One S3 bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cloud.errors import IgnoredCodes, translate_errors
from pipeline.contracts.ports import ObjectInfo, ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.futures import TransferFuture
    from s3transfer.manager import TransferManager
    from s3transfer.subscribers import BaseSubscriber

__all__ = ["S3Bucket", "S3ObjectStore"]


class S3Bucket:
    """Base class of the adapters of a bucket.

    Args:
        client: Client of S3.
        bucket: Name of the bucket.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        """Return the bucket's name."""
        return self._bucket

    def _translate_errors(self) -> AbstractContextManager[None]:
        return translate_errors(f"the bucket {self._bucket}")


class S3ObjectStore(S3Bucket):
    """An ObjectStore. Files are transferred in parallel parts (s3transfer), documents in one request."""

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """Return an object's content in one request (GetObject).

        Raises:
            ObjectNotFoundError: The object or the version does not exist.
        """
        with self._translate_errors():
            response = self._client.get_object(Bucket=self._bucket, Key=key, **_version(version_id))
            return response["Body"].read()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object in one request (PutObject)."""
        with self._translate_errors():
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, Metadata=dict(metadata or {})
            )

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write an object unless the key exists (``If-None-Match: *``); return whether it was written."""
        with self._translate_errors(), IgnoredCodes("PreconditionFailed"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
            return True
        return False

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Return an object's size, version and metadata (HeadObject).

        Raises:
            ObjectNotFoundError: The object or the version does not exist.
        """
        with self._translate_errors():
            response = self._client.head_object(Bucket=self._bucket, Key=key, **_version(version_id))
        return ObjectInfo(
            key=key,
            bytes=response["ContentLength"],
            etag=response["ETag"].strip('"'),
            version_id=response.get("VersionId", "null"),  # S3's own version id in a bucket without versioning
            modified_at=response["LastModified"],
            metadata={name.lower(): value for name, value in response["Metadata"].items()},
        )

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Download an object to a file, in parallel ranges.

        Raises:
            ObjectNotFoundError: The object or the version does not exist.
        """
        with self._transfers() as transfers:
            transfers.download(self._bucket, key, str(path), extra_args=_version(version_id)).result()

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Upload a file, in parallel parts if it is large. ``progress`` gets the bytes since its last call."""
        with self._transfers() as transfers:
            extra = {"Metadata": dict(metadata)} if metadata else {}
            subscribers = [_report_to(progress)] if progress else []
            transfers.upload(str(path), self._bucket, key, extra_args=extra, subscribers=subscribers).result()

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        """Copy an object of another bucket within S3, in parallel parts if it is large.

        Raises:
            ObjectNotFoundError: The source does not exist.
        """
        origin = {"Bucket": source.bucket, "Key": source_key, **_version(version_id)}
        with self._transfers() as transfers:
            transfers.copy(origin, self._bucket, key).result()

    def delete(self, key: str) -> None:
        """Delete an object; the bucket keeps its versions (DeleteObject without a version id)."""
        with self._translate_errors():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def delete_all(self, prefix: str) -> int:
        """Delete all versions of all objects whose key begins with ``prefix``, and return their number."""
        deleted = 0
        with self._translate_errors():
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
                versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                listed: list[Any] = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
                if listed:
                    self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": listed, "Quiet": True})
                deleted += len(listed)
        return deleted

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``, sorted (ListObjectsV2)."""
        with self._translate_errors():
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for content in page.get("Contents", []):
                    yield content["Key"]

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the latest version of each object below ``prefix``, without metadata; deleted objects are skipped."""
        with self._translate_errors():
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
                for version in page.get("Versions", []):
                    if version["IsLatest"]:
                        yield ObjectInfo(
                            key=version["Key"],
                            bytes=version["Size"],
                            etag=version["ETag"].strip('"'),
                            version_id=version["VersionId"],
                            modified_at=version["LastModified"],
                        )

    @contextmanager
    def _transfers(self) -> Iterator[TransferManager]:
        from s3transfer.manager import TransferManager  # noqa: PLC0415 - only needed to transfer files

        with self._translate_errors(), TransferManager(self._client) as transfers:
            yield transfers


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id else {}


def _report_to(progress: Callable[[int], None]) -> BaseSubscriber:
    from s3transfer.subscribers import BaseSubscriber  # noqa: PLC0415 - only needed to transfer files

    class Subscriber(BaseSubscriber):
        def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: object) -> None:
            progress(bytes_transferred)

    return Subscriber()
