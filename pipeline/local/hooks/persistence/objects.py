"""Gap: S3 keeps every version of an object in memory, and reads all records when it starts.

After SIGKILL, the content of one version can also be stored with the record of another. Here contents are files named
after bucket, key, version and ETag; records are in the journal.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import responses
from ministack.services import s3

from pipeline.local.private_names import private_names
from pipeline.local.store.bodies import Bodies
from pipeline.local.store.database import StorageError
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict, decode

__all__ = ["PRIVATE_NAMES", "Objects", "file_name"]

_NO_CONTENT = (".meta.json", ".tmp")
_OBJECTS, _VERSIONS = "s3-objects/", "s3-versions"  # names of stores: objects of a bucket, versions of all objects
_BY_VERSION = ("_object_tags", "_object_acl", "_object_annotations", "_object_retention", "_object_legal_hold")

PRIVATE_NAMES = (
    *private_names(
        s3,
        *(*_BY_VERSION, "_object_versions", "_buckets"),
        "_persist_object(bucket, key, obj)",
        "_persist_delete_marker(bucket_name, key, marker)",
        "_persist_version_state(bucket_name, key, bucket)",
        "_persist_displaced_version(bucket_name, key, prior_obj, versioning)",
        "_delete_version_file(bucket_name, key, version_id)",
        "_delete_persisted_object(bucket_name, key)",
        "_version_body(bucket, bucket_name, key, v)",
        "_read_body(bucket_name, key, obj)",
    ),
    *private_names(responses, "get_account_id()"),
)

logger = logging.getLogger("modeldrop.local")

Record = dict[str, Any]  # MiniStack's record of an object or a version


class Objects:
    """Objects of all buckets, on disk.

    Args:
        journal: Stores the records.
        bodies: Stores the contents.
        previous_folder: Folder in which MiniStack itself stored objects, from an earlier version.
    """

    def __init__(self, journal: Journal, bodies: Bodies, *, previous_folder: Path) -> None:
        self._journal = journal
        self._bodies = bodies
        self._previous_folder = previous_folder
        self._versions = StoredDict(journal, _VERSIONS)
        self._buckets = _Buckets(lambda account, bucket: StoredDict(journal, f"{_OBJECTS}{account}/{bucket}"))

    def install(self) -> None:
        """Replace MiniStack's dictionaries and functions; import what an earlier version stored."""
        read = self._read_previous()
        for name in _BY_VERSION:
            stored = StoredDict(self._journal, "s3-" + name.removeprefix("_object_"))
            stored.update(getattr(s3, name)._data)
            getattr(s3, name)._data = stored
        self._versions.update(s3._object_versions._data)
        self._buckets.update(s3._buckets._data)
        s3._buckets._data, s3._object_versions._data = self._buckets, self._versions
        s3._persist_object = self._persist
        s3._persist_delete_marker = lambda bucket_name, key, marker: None
        s3._persist_version_state = lambda bucket_name, key, bucket: self._forget_contents(bucket_name, key)
        s3._persist_displaced_version = lambda bucket_name, key, prior_obj, versioning: None
        s3._delete_version_file = self._delete_version
        s3._delete_persisted_object = self._delete_current
        s3._version_body = lambda bucket, bucket_name, key, v: self._content(bucket_name, key, v)
        s3._read_body = self._content
        self._journal.commit()
        self._clear_previous(read)

    def sweep(self, before: float) -> None:
        """Delete contents older than ``before`` without a record on disk: a killed server left them."""
        database = self._journal.database
        used: set[str] = set()
        for raw, value in database.items(_VERSIONS):
            account, (bucket, key) = decode(raw)
            used.update(file_name(account, bucket, key, record) for record in decode(value) if record["etag"])
        for store in database.stores(_OBJECTS):
            account, bucket = store.removeprefix(_OBJECTS).split("/")
            used.update(file_name(account, bucket, decode(raw), decode(value)) for raw, value in database.items(store))
        self._bodies.sweep(used, before)

    def _read_previous(self) -> int:
        """Copy the contents of MiniStack's own files, and count them; MiniStack has read the records already."""
        names: set[str] = set()
        for (account, bucket), stored_bucket in s3._buckets._data.items():
            for key, record in stored_bucket["objects"].items():
                name = file_name(account, bucket, key, record)
                self._bodies.write(name, s3._read_body(bucket, key, record))
                names.add(name)
        for (account, (bucket, key)), versions in s3._object_versions._data.items():
            stored_bucket = s3._buckets._data.get((account, bucket), {"objects": {}})
            for record in versions:
                content = (
                    None if record.get("is_delete_marker") else s3._version_body(stored_bucket, bucket, key, record)
                )
                if content is not None:
                    name = file_name(account, bucket, key, record)
                    self._bodies.write(name, content)
                    names.add(name)
        return len(names)

    def _clear_previous(self, read: int) -> None:
        """Delete MiniStack's own files; if it could not read all of them, move them aside."""
        files = [
            file for file in self._previous_folder.rglob("*") if file.is_file() and not file.name.endswith(_NO_CONTENT)
        ]
        if len(files) <= read:
            shutil.rmtree(self._previous_folder, ignore_errors=True)
        else:
            aside = self._previous_folder.rename(
                self._previous_folder.with_name(f"{self._previous_folder.name}.unread")
            )
            logger.warning(
                "%d of %d files of an earlier version could not be read: %s", len(files) - read, len(files), aside
            )

    def _persist(self, bucket: str, key: str, obj: Record) -> None:
        """Write the content; the record is written before the response to the request."""
        account, content = responses.get_account_id(), obj.get("body")
        file, objects = file_name(account, bucket, key, obj), self._buckets[account, bucket]["objects"]
        if content is not None:
            try:
                self._bodies.write(file, content)
            except StorageError as error:
                objects.revert(key)
                self._versions.revert((account, (bucket, key)))
                self._journal.fail(error)
                raise
        if not obj.get("version_id"):
            self._delete_afterwards(account, bucket, key, objects.on_disk(key), unless=file)
        self._forget_contents(bucket, key)

    def _forget_contents(self, bucket: str, key: str) -> None:
        """Drop contents that are in files from memory."""
        account = responses.get_account_id()
        objects = self._buckets[account, bucket]["objects"]
        if key in objects:
            objects[key]["body"] = None
        for version in self._versions.get((account, (bucket, key))) or []:
            version["data"] = None

    def _content(self, bucket: str, key: str, record: Record) -> bytes:
        for name in ("body", "data"):
            content: bytes | None = record.get(name)
            if content is not None:
                return content
        try:
            return self._bodies.read(file_name(responses.get_account_id(), bucket, key, record))
        except OSError as error:
            failure = StorageError(f"{error.filename}, the content of {bucket}/{key}, cannot be read: {error.strerror}")
            self._journal.fail(failure)
            raise failure from error

    def _delete_version(self, bucket: str, key: str, version_id: str) -> None:
        account = responses.get_account_id()
        for version in self._versions.on_disk((account, (bucket, key))) or []:
            if version["version_id"] == version_id and not version.get("is_delete_marker"):
                self._delete_afterwards(account, bucket, key, version)

    def _delete_current(self, bucket: str, key: str) -> None:
        account = responses.get_account_id()
        self._delete_afterwards(account, bucket, key, self._buckets[account, bucket]["objects"].on_disk(key))

    def _delete_afterwards(
        self, account: str, bucket: str, key: str, record: Record | None, *, unless: str = ""
    ) -> None:
        """Delete a content once no record on disk refers to it."""
        if record is None or (record.get("version_id") not in (None, "null") and unless):
            return
        file = file_name(account, bucket, key, record)
        if file != unless:
            self._journal.afterwards(lambda: self._bodies.delete(file))


class _Buckets(dict[tuple[str, str], Record]):
    """Buckets by account and name; their objects are in the journal."""

    def __init__(self, objects: Callable[[str, str], StoredDict]) -> None:
        super().__init__()
        self._objects = objects

    def __setitem__(self, name: tuple[str, str], bucket: Record) -> None:
        objects = self._objects(*name)
        objects.update(bucket["objects"])
        super().__setitem__(name, {**bucket, "objects": objects})

    def setdefault(self, name: tuple[str, str], default: Record | None = None) -> Record:
        if name not in self:
            self[name] = default or {"objects": {}}
        return self[name]

    def update(self, buckets: Any, /, **more: Any) -> None:
        for name, bucket in buckets.items():
            self[name] = bucket


def file_name(account: str, bucket: str, key: str, record: Record) -> str:
    """Return the name of the file with the content of an object's version."""
    version = record.get("version_id") or "null"
    return hashlib.sha256("\0".join((account, bucket, key, version, record["etag"])).encode()).hexdigest()[:40]
