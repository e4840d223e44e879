"""Archive, delete and restore versions, and tag versions or models, as a person decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pipeline.contracts.clock import format_time
from pipeline.contracts.errors import ConflictError, InputError, NotFoundError
from pipeline.contracts.ports import CheckRequest, Item, UpdateRequest
from pipeline.contracts.records.model_version import VersionRecord
from pipeline.contracts.table_keys import model_key, version_key
from pipeline.registry.aliases import Aliases
from pipeline.registry.contention import RegistryStore
from pipeline.registry.versions import Versions, parse_version, restorable_until

__all__ = ["GRACE_PERIOD", "MAX_TAGS", "OverdueVersion", "VersionLifecycle", "check_tags"]

GRACE_PERIOD = timedelta(days=7)
MAX_TAGS = 50
_TAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")
_MAX_TAG_VALUE = 256  # characters
_LISTING = "DELETED"  # deleted versions in the listing index, sorted by the end of their grace period
_DELETED = ("deleted_at", "deleted_by", "restorable_until", "listing", "listed_at", "expires_at")
_STATE = ("archived_at", "archived_by", *_DELETED)  # attributes of a version's item beside its record


@dataclass(frozen=True)
class OverdueVersion:
    """A deleted version whose grace period is over.

    Attributes:
        tenant: Tenant of the model.
        item: Item of the version.
    """

    tenant: str
    item: Item

    @cached_property
    def record(self) -> VersionRecord:
        """Record of the version.

        Raises:
            ValueError: The record is damaged.
        """
        return parse_version(self.item)

    @property
    def purged_files(self) -> Mapping[str, str]:
        """Return the object version's id by key, for files that a purge may have deleted already."""
        files: Mapping[str, str] = self.item.get("purged_files", {})
        return files


def check_tags(tags: Mapping[str, str]) -> None:
    """Check names and values of tags.

    Raises:
        InputError: A name has other characters or more than 64, or a value has more than 256.
    """
    for name, value in tags.items():
        if not _TAG_NAME.fullmatch(name):
            raise InputError("a tag's name has 1 to 64 letters, digits and '_', '.', ':', '/', '-'")
        if len(value) > _MAX_TAG_VALUE:
            raise InputError(f"the tag '{name}' has {len(value):,} characters: at most {_MAX_TAG_VALUE} are expected")


class VersionLifecycle:
    """Archives, deletes, restores and tags versions.

    No alias can point to an archived or deleted version: archiving and deleting are transactions that fail if the
    model's aliases changed after they were read, and a move of an alias fails if its version is archived or deleted.

    Args:
        store: Where the registry is stored.
        versions: Records of versions.
        aliases: Aliases of models.
    """

    def __init__(self, store: RegistryStore, versions: Versions, aliases: Aliases) -> None:
        self._store = store
        self._versions = versions
        self._aliases = aliases

    def archive(self, tenant: str, model: str, version: int, *, by: str) -> VersionRecord:
        """Archive a version: it is kept, but no alias may point to it and it is not served. Idempotent.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.
            by: Name of the person.

        Raises:
            NotFoundError: The tenant has no such version, or it is deleted.
            ConflictError: An alias points to it.
            TransientError: Too many writers compete.
        """

        def attempt() -> VersionRecord | None:
            record = self._versions.record(tenant, model, version)
            if record.status == "ARCHIVED":
                return record
            values = {"archived_at": self._store.now().isoformat(), "archived_by": by}
            return self._write_unless_aliased(record, values, required={"archived_at": None, "deleted_at": None})

        return self._store.retry(attempt)

    def delete(self, tenant: str, model: str, version: int, *, by: str) -> tuple[VersionRecord, datetime]:
        """Delete a version after a grace period, during which ``restore`` can undo the deletion. Idempotent.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.
            by: Name of the person.

        Returns:
            The record, and the end of the grace period.

        Raises:
            NotFoundError: The tenant has no such version.
            ConflictError: An alias points to it.
            TransientError: Too many writers compete.
        """

        def attempt() -> tuple[VersionRecord, datetime] | None:
            item = self._versions.item(tenant, model, version)
            record, now = parse_version(item), self._store.now()
            if (until := restorable_until(item)) is not None:
                return record, until
            until = (now + GRACE_PERIOD).replace(microsecond=0)
            values = {
                "deleted_at": now.isoformat(),
                "deleted_by": by,
                "restorable_until": format_time(until),
                "listing": _LISTING,
                "listed_at": f"{format_time(until)}#{tenant}/{model}/{version}",
            }
            deleted = self._write_unless_aliased(record, values, required={"deleted_at": None})
            return None if deleted is None else (deleted, until)

        return self._store.retry(attempt)

    def restore(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Undo archiving or deleting. Idempotent.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.

        Raises:
            NotFoundError: The tenant has no such version, or its grace period is over.
            TransientError: Too many writers compete.
        """

        def attempt() -> VersionRecord | None:
            item = self._versions.item(tenant, model, version)
            if not any(name in item for name in _STATE):
                return parse_version(item)
            required = {name: item.get(name) for name in ("archived_at", "deleted_at", "purged_files")}
            if not self._store.table.update(item["pk"], item["sk"], {}, remove=_STATE, only_if=required):
                return None
            return parse_version({name: value for name, value in item.items() if name not in _STATE})

        return self._store.retry(attempt)

    def overdue(self, *, limit: int) -> Iterator[Sequence[OverdueVersion]]:
        """Yield batches of deleted versions of all tenants whose grace period is over; nobody can restore them.

        Args:
            limit: Maximum number of versions of a batch.
        """
        table, now = self._store.table, self._store.now()
        before: str | None = format_time(now)
        while before is not None:
            listed = table.listing(_LISTING, limit=limit, before=before)
            before = listed[-1]["listed_at"] if len(listed) == limit else None
            items = table.get_all([(item["pk"], item["sk"]) for item in listed])
            # The index is eventually consistent: a version may have been restored, or deleted again with a new grace
            # period.
            yield [
                OverdueVersion(item["pk"].split("#")[1], item)
                for item in items
                if item.get("listing") == _LISTING and (until := restorable_until(item)) is not None and until <= now
            ]

    def note_purge(self, version: OverdueVersion, files: Mapping[str, str]) -> bool:
        """Record the files of an overdue version before they are deleted; from now on nobody can restore it.

        Args:
            version: The version.
            files: Id of the object's version by key.

        Returns:
            False if the version was restored or purged meanwhile.
        """
        key = version_key(version.record.tenant, version.record.model, version.record.version)
        return self._store.table.update(*key, {"purged_files": dict(files)}, only_if={"listing": _LISTING})

    def remove(self, version: OverdueVersion) -> None:
        """Delete the item of a version whose files are gone. Idempotent."""
        self._store.table.delete(*version_key(version.record.tenant, version.record.model, version.record.version))

    def tag(
        self, tenant: str, model: str, version: int | None, tags: Mapping[str, str], *, remove: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """Set and remove tags of a version or of its model.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version; None for the model itself.
            tags: Values by name.
            remove: Names of tags to remove; absent ones are ignored.

        Returns:
            All tags of the version or model after the change.

        Raises:
            InputError: A tag is invalid, or there are more than MAX_TAGS.
            NotFoundError: The tenant has no such model or version.
            TransientError: Too many writers compete.
        """
        check_tags(tags)

        def attempt() -> tuple[dict[str, str]] | None:
            item = self._tagged_item(tenant, model, version)
            stored = item.get("tags")
            changed = {name: value for name, value in {**(stored or {}), **tags}.items() if name not in remove}
            if len(changed) > MAX_TAGS:
                raise InputError(f"there are at most {MAX_TAGS} tags, not {len(changed)}")
            written = self._store.table.update(item["pk"], item["sk"], {"tags": changed}, only_if={"tags": stored})
            return (changed,) if written else None

        return self._store.retry(attempt)[0]

    def _tagged_item(self, tenant: str, model: str, version: int | None) -> Item:
        if version is not None:
            self._versions.record(tenant, model, version)  # raises for a deleted version
            return self._versions.item(tenant, model, version)
        item = self._store.table.get(*model_key(tenant, model))
        if item is None:
            raise NotFoundError(f"there is no model '{model}'")
        return item

    def _write_unless_aliased(
        self, record: VersionRecord, values: Mapping[str, object], *, required: Mapping[str, None]
    ) -> VersionRecord | None:
        """Set attributes of a version's item unless an alias points to it; None if another writer was first."""
        tenant, model, version = record.tenant, record.model, record.version
        summary = self._store.table.get(*model_key(tenant, model))
        assert summary is not None, "a registered version has a summary"
        aliases = self._aliases.names(tenant, model, summary)
        if pointing := sorted(name for name, number in aliases.items() if number == version):
            names = ", ".join(f"'{name}'" for name in pointing)
            raise ConflictError(
                f"version {version} of '{model}' is in use by {names}: move the alias to another version first"
            )
        written = self._store.table.write_all(
            [
                UpdateRequest(key=version_key(tenant, model, version), values=values, only_if=required),
                CheckRequest(key=model_key(tenant, model), only_if={"aliases": summary.get("aliases")}),
            ]
        )
        status = "DELETED" if "deleted_at" in values else "ARCHIVED"
        return record.model_copy(update={"status": status}) if written else None
