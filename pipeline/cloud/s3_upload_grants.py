"""Presigned uploads to one bucket of S3.

References:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html (conditions of a form)
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html (parts)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cloud.errors import IgnoredCodes
from pipeline.cloud.s3_object_store import S3Bucket
from pipeline.contracts.ports import UploadedPart, UploadForm

__all__ = ["S3UploadGrants"]


class S3UploadGrants(S3Bucket):
    """An UploadGrants. Its client must sign with version 4 (``Clients.s3_signer``)."""

    def form(
        self, key: str, *, content_bytes: int, sha256: str | None, metadata: Mapping[str, str], seconds: int
    ) -> UploadForm:
        """Sign a form with conditions on key, size, checksum and metadata."""
        fields = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        if sha256 is not None:
            digest = b64encode(bytes.fromhex(sha256)).decode()
            fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": digest}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", content_bytes, content_bytes])
        with self._translate_errors():
            form = self._client.generate_presigned_post(
                self._bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=seconds
            )
        return UploadForm(url=form["url"], fields=form["fields"])

    def begin(self, key: str, *, metadata: Mapping[str, str]) -> str:
        """Begin a multipart upload, and return its id (CreateMultipartUpload)."""
        with self._translate_errors():
            response = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, Metadata=dict(metadata))
        return response["UploadId"]

    def part_url(self, key: str, upload_id: str, number: int, *, content_bytes: int, seconds: int) -> str:
        """Sign the URL to upload a part of exactly ``content_bytes`` (UploadPart)."""
        request = {"Bucket": self._bucket, "Key": key, "PartNumber": number, "UploadId": upload_id}
        with self._translate_errors():
            return self._client.generate_presigned_url(
                "upload_part", Params={**request, "ContentLength": content_bytes}, ExpiresIn=seconds
            )

    def parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        """Return the uploaded parts (ListParts).

        Raises:
            ObjectNotFoundError: There is no such upload.
        """
        with self._translate_errors():
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            return [
                UploadedPart(number=listed["PartNumber"], bytes=listed["Size"], etag=listed["ETag"])
                for page in pages
                for listed in page.get("Parts", [])
            ]

    def complete(self, key: str, upload_id: str, uploaded: Sequence[UploadedPart]) -> str:
        """Complete the upload, and return the version id of the object (CompleteMultipartUpload).

        Raises:
            ObjectNotFoundError: There is no such upload.
        """
        listed: list[Any] = [{"PartNumber": entry.number, "ETag": entry.etag} for entry in uploaded]
        with self._translate_errors():
            response = self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        return response.get("VersionId", "null")

    def abort(self, key: str, upload_id: str) -> None:
        """Abort the upload, which deletes its parts (AbortMultipartUpload)."""
        with self._translate_errors(), IgnoredCodes("NoSuchUpload"):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
