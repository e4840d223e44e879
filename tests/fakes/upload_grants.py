"""Presigned uploads in memory; ``put_part`` stands for a client with a presigned URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import UploadedPart, UploadForm

__all__ = ["FakeUploadGrants"]


@dataclass
class FakeUploadGrants:
    """An UploadGrants; ``metadata`` maps keys to metadata of uploads, ``completed`` maps keys to object sizes."""

    bucket: str = "uploads"
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    completed: dict[str, int] = field(default_factory=dict)
    _uploads: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)

    def form(
        self, key: str, *, content_bytes: int, sha256: str | None, metadata: Mapping[str, str], seconds: int
    ) -> UploadForm:
        self.metadata[key] = dict(metadata)
        return UploadForm(url=f"https://{self.bucket}.example/", fields={"key": key, "sha256": sha256 or ""})

    def begin(self, key: str, *, metadata: Mapping[str, str]) -> str:
        self.metadata[key] = dict(metadata)
        upload_id = f"upload-{len(self._uploads)}"
        self._uploads[key, upload_id] = {}
        return upload_id

    def part_url(self, key: str, upload_id: str, number: int, *, content_bytes: int, seconds: int) -> str:
        return f"https://{self.bucket}.example/{key}?part={number}&upload={upload_id}&bytes={content_bytes}"

    def put_part(self, key: str, upload_id: str, number: int, content_bytes: int) -> None:
        self._uploads[key, upload_id][number] = content_bytes

    def parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        return [
            UploadedPart(number=number, bytes=size, etag='"e"')
            for number, size in sorted(self._find(key, upload_id).items())
        ]

    def complete(self, key: str, upload_id: str, uploaded: Sequence[UploadedPart]) -> str:
        self.completed[key] = sum(self._find(key, upload_id).values())
        del self._uploads[key, upload_id]
        return "v1"

    def abort(self, key: str, upload_id: str) -> None:
        self._uploads.pop((key, upload_id), None)

    def _find(self, key: str, upload_id: str) -> dict[int, int]:
        if (key, upload_id) not in self._uploads:
            raise ObjectNotFoundError("there is no such upload")
        return self._uploads[key, upload_id]
