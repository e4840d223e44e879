"""A bucket in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.ports import ObjectInfo, ObjectStore

__all__ = ["FakeObjectStore"]


@dataclass(frozen=True)
class _Version:
    body: bytes
    info: ObjectInfo


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class FakeObjectStore:
    """An ObjectStore, versioned like the real bucket; ``keys`` are sorted, only tests call ``clear`` and ``delete``."""

    bucket: str = "bucket"
    now: Callable[[], datetime] = _utc_now
    _versions: dict[str, list[_Version]] = field(default_factory=dict)
    _deleted: dict[str, list[_Version]] = field(default_factory=dict)
    _written: int = 0

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        return self._find(key, version_id).body

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._written += 1
        info = ObjectInfo(
            key=key,
            bytes=len(body),
            etag=hashlib.md5(body).hexdigest(),
            version_id=f"v{self._written}",
            modified_at=self.now(),
            metadata={name.lower(): value for name, value in (metadata or {}).items()},
        )
        self._versions.setdefault(key, []).append(_Version(body, info))

    def put_if_absent(self, key: str, body: bytes) -> bool:
        if key in self._versions:
            return False
        self.put(key, body)
        return True

    def head(self, key: str, *, version_id: str | None = None) -> ObjectInfo:
        return self._find(key, version_id).info

    def download(self, key: str, path: Path, *, version_id: str | None = None) -> None:
        path.write_bytes(self.get(key, version_id=version_id))

    def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        body = path.read_bytes()
        self.put(key, body, metadata=metadata)
        if progress:
            progress(len(body))

    def copy_from(self, source: ObjectStore, source_key: str, key: str, *, version_id: str | None = None) -> None:
        metadata = source.head(source_key, version_id=version_id).metadata
        self.put(key, source.get(source_key, version_id=version_id), metadata=metadata)

    def delete_all(self, prefix: str) -> int:
        return sum(len(self._versions.pop(key)) for key in list(self.keys(prefix)))

    def keys(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in self._versions if key.startswith(prefix))

    def latest_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        for key in self.keys(prefix):
            yield replace(self._find(key, None).info, metadata={})

    def clear(self) -> None:
        self._versions.clear()

    def delete(self, key: str) -> None:
        self._deleted.setdefault(key, []).extend(self._versions.pop(key, []))

    def _find(self, key: str, version_id: str | None) -> _Version:
        deleted = [] if version_id is None else self._deleted.get(key, [])
        for version in reversed([*deleted, *self._versions.get(key, [])]):
            if version_id in (None, version.info.version_id):
                return version
        raise ObjectNotFoundError(f"there is no object {key} in {self.bucket}")
