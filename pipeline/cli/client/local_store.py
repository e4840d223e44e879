"""Files of this machine as a bucket, so that what reads uploads reads them in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import ObjectInfo, ObjectStore

__all__ = ["LocalStore"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalStore:
    """An ObjectStore of ``files`` by their keys. What is written lies in ``folder``, and in no file that was there."""

    files: dict[str, Path]
    folder: Path
    bucket: str = "local"
    _written: list[str] = field(default_factory=list)

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        return self._find(key).read_bytes()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        path = self.folder / f"object-{len(self._written)}"
        path.write_bytes(body)
        self._written.append(key)
        self.files[key] = path

    def put_if_absent(self, key: str, body: bytes) -> bool:
        if key in self.files:
            return False
        self.put(key, body)
        return True

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        status = self._find(key).stat()
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
        return ObjectInfo(key=key, bytes=status.st_size, etag="", version_id="", modified_at=modified_at)

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        return (self.head(key) for key in self.keys(prefix))

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Link to the file: nothing that reads an upload writes to it."""
        path.symlink_to(self._find(key).resolve())

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Remember where the file is: it is read while its folder is there."""
        self.files[key] = path

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        self.put(key, source.get(source_key))

    def delete_all(self, prefix: str) -> int:
        """Forget files; they stay on the disk."""
        forgotten = list(self.keys(prefix))
        for key in forgotten:
            del self.files[key]
        return len(forgotten)

    def keys(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in self.files if key.startswith(prefix))

    def _find(self, key: str) -> Path:
        if key not in self.files:
            raise ObjectNotFoundError(f"there is no file {key}")
        return self.files[key]
