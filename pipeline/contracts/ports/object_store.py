"""Port of the object store (S3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

__all__ = ["ObjectInfo", "ObjectStore"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectInfo:
    """Metadata of one object version, as S3's HeadObject returns it.

    Attributes:
        key: Key in the bucket.
        bytes: Size of the content.
        etag: Entity tag, without its quotes.
        version_id: Version; ``null`` in a bucket without versioning.
        modified_at: Time of the upload, UTC, in whole seconds on S3.
        metadata: User metadata (``x-amz-meta-*``), keys in lower case; empty where a listing returned the object.
    """

    key: str
    bytes: int
    etag: str
    version_id: str
    modified_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Objects of one bucket.

    Reads are strongly consistent: a read that begins after a write has returned sees the write. Writes are atomic: no
    reader sees half an object.
    """

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        ...

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """Read an object.

        Args:
            key: Key of the object.
            version_id: Version to read; the latest one by default.

        Returns:
            The content.

        Raises:
            ObjectNotFoundError: The object or the version does not exist, or the latest version is a delete marker.
        """
        ...

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write an object, or replace it. Idempotent.

        Args:
            key: Key of the object.
            body: The whole content.
            content_type: MIME type that downloads will have.
            metadata: User metadata; keys and values must be ASCII.
        """
        ...

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write an object only if the key has none (``If-None-Match: *``).

        Safe to repeat: a second call writes nothing. After a lost response it returns False although this caller wrote.

        Args:
            key: Key of the object.
            body: The whole content.

        Returns:
            True if this call wrote the object, False if one existed; of concurrent callers exactly one gets True.
        """
        ...

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Read an object's metadata without its content.

        Args:
            key: Key of the object.
            version_id: Version to describe; the latest one by default.

        Raises:
            ObjectNotFoundError: The object or the version does not exist, or the latest version is a delete marker.
        """
        ...

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Write an object to a file, in parallel ranges.

        Args:
            key: Key of the object.
            path: File to write; it is replaced. After an error no partial file is left under this name.
            version_id: Version to read; the latest one by default.

        Raises:
            ObjectNotFoundError: The object or the version does not exist.
        """
        ...

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write an object from a file, in parallel parts. Idempotent.

        Args:
            path: File to read.
            key: Key of the object; an existing object is replaced.
            metadata: User metadata; keys and values must be ASCII.
            progress: Called from other threads with the number of bytes sent since its last call.
        """
        ...

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        """Copy an object server-side from another bucket of the same account. Idempotent.

        Args:
            source: Bucket that holds the object.
            source_key: Key in ``source``.
            key: Key in this bucket; an existing object is replaced.
            version_id: Version to copy; the latest one by default.

        Raises:
            ObjectNotFoundError: The source has no such object or version.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object; its versions stay readable by their ids. Idempotent: an absent object is ignored."""
        ...

    def delete_all(self, prefix: str) -> int:
        """Delete all versions of all objects whose key begins with ``prefix``. Idempotent.

        Returns:
            Number of deleted versions, delete markers included.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin with ``prefix``, in UTF-8 byte order.

        Keys written or deleted during the iteration may or may not be listed.
        """
        ...

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """List the latest version of each object whose key begins with ``prefix``, ordered by key.

        Objects whose latest version is a delete marker are left out. One request returns up to 1,000 versions, old ones
        included. ``ObjectInfo.metadata`` is empty.
        """
        ...
