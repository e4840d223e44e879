"""Port that lets others upload objects to a bucket, without credentials of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["UploadForm", "UploadGrants", "UploadedPart"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadForm:
    """A presigned form of S3: an HTTP POST of ``multipart/form-data``.

    Attributes:
        url: Address of the POST.
        fields: Fields that precede the field ``file``; their values are signed.
    """

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadedPart:
    """A part of a multipart upload that the bucket has.

    Attributes:
        number: Number of the part, from 1.
        bytes: Size of the part.
        etag: Entity tag, with its quotes.
    """

    number: int
    bytes: int
    etag: str


class UploadGrants(Protocol):
    """Presigned uploads to one bucket. A grant has the rights of its signer, and expires with its credentials."""

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        ...

    def form(
        self, key: str, *, content_bytes: int, sha256: str | None, metadata: Mapping[str, str], seconds: int
    ) -> UploadForm:
        """Sign a form that uploads one object.

        Args:
            key: Key of the object.
            content_bytes: Exact size of the object.
            sha256: Digest of the object in hexadecimal; None if it is not known.
            metadata: User metadata of the object.
            seconds: Validity of the form.
        """
        ...

    def begin(self, key: str, *, metadata: Mapping[str, str]) -> str:
        """Begin a multipart upload of an object, and return its id.

        Args:
            key: Key of the object.
            metadata: User metadata of the object.
        """
        ...

    def part_url(self, key: str, upload_id: str, number: int, *, content_bytes: int, seconds: int) -> str:
        """Sign a URL for the HTTP PUT of one part.

        Args:
            key: Key of the object.
            upload_id: Multipart upload.
            number: Number of the part, from 1 to 10,000.
            content_bytes: Exact size of the part.
            seconds: Validity of the URL.
        """
        ...

    def parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        """Return the parts that the bucket has, by number.

        Raises:
            ObjectNotFoundError: There is no such upload: it was completed or aborted, or has another key.
        """
        ...

    def complete(self, key: str, upload_id: str, uploaded: Sequence[UploadedPart]) -> str:
        """Assemble the object from its parts, and return its version.

        Args:
            key: Key of the object.
            upload_id: Multipart upload.
            uploaded: Parts of the upload, by number.

        Raises:
            ObjectNotFoundError: There is no such upload.
        """
        ...

    def abort(self, key: str, upload_id: str) -> None:
        """Delete the parts of an upload. Idempotent: an absent upload is ignored."""
        ...
