"""Local files as a bucket, so that validation reads them in place."""

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
    """ObjectStore of local files, so that ``modeldrop check`` runs the code of validation without a stack.

    Attributes:
        files: Path of each key.
        folder: Folder for objects that are written; no other file is changed.
        bucket: Name of the bucket, for messages.
    """

    files: dict[str, Path]
    folder: Path
    bucket: str = "local"
    _written: list[str] = field(default_factory=list)

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """Return the content of a file."""
        return self._find(key).read_bytes()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Write a file to ``folder``."""
        path = self.folder / f"object-{len(self._written)}"
        path.write_bytes(body)
        self._written.append(key)
        self.files[key] = path

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Write a file unless the key is taken; return whether it was written."""
        if key in self.files:
            return False
        self.put(key, body)
        return True

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        """Return size and time of a file."""
        status = self._find(key).stat()
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
        return ObjectInfo(key=key, bytes=status.st_size, etag="", version_id="", modified_at=modified_at)

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the files whose keys begin with ``prefix``."""
        return (self.head(key) for key in self.keys(prefix))

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        """Link to the file: readers of uploads do not write."""
        path.symlink_to(self._find(key).resolve())

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Register a file, which is read in place."""
        self.files[key] = path

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        """Copy an object of another store."""
        self.put(key, source.get(source_key))

    def delete(self, key: str) -> None:
        """Forget a file; it stays on the disk."""
        self.files.pop(key, None)

    def delete_all(self, prefix: str) -> int:
        """Forget files; they stay on the disk."""
        forgotten = list(self.keys(prefix))
        for key in forgotten:
            del self.files[key]
        return len(forgotten)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with ``prefix``."""
        yield from sorted(key for key in self.files if key.startswith(prefix))

    def _find(self, key: str) -> Path:
        if key not in self.files:
            raise ObjectNotFoundError(f"there is no file {key}")
        return self.files[key]
