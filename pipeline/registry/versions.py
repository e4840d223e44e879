"""Records of model versions in the table, with later changes: archived, deleted, tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.contracts.errors import ConflictError, IntegrityError, NotFoundError, ObjectNotFoundError
from pipeline.contracts.paging.page import Page, make_page
from pipeline.contracts.ports import Item
from pipeline.contracts.records.model_version import VersionRecord
from pipeline.contracts.records.variant import Artifact
from pipeline.contracts.table_keys import version_key, version_prefix
from pipeline.registry.contention import RegistryStore

__all__ = ["Versions", "parse_version", "restorable_until"]


class Versions:
    """Reads version records.

    A record is immutable, except that the smoke test makes it READY. Archiving and deleting set attributes of the item
    beside the record, which are parsed as the status ARCHIVED or DELETED. A deleted version whose grace period is over
    counts as missing, although its item and files are deleted a little later.
    """

    def __init__(self, store: RegistryStore) -> None:
        self._store = store

    def item(self, tenant: str, model: str, version: int) -> Item:
        """Return the item of a version, deleted ones within their grace period included.

        Raises:
            NotFoundError: The tenant has no such version.
        """
        item = self._store.table.get(*version_key(tenant, model, version))
        if item is None or self._is_expired(item):
            raise NotFoundError(f"model '{model}' has no version {version}")
        return item

    def record(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Return the record of a version.

        Raises:
            NotFoundError: The tenant has no such version, or it is deleted.
        """
        item = self.item(tenant, model, version)
        if (until := restorable_until(item)) is not None:
            raise NotFoundError(
                f"version {version} of '{model}' is deleted: 'modeldrop undelete {model} {version}' restores it until "
                f"{until:%Y-%m-%d %H:%M} UTC"
            )
        return parse_version(item)

    def promotable(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Return the record of a version that an alias may point to.

        Raises:
            NotFoundError: The tenant has no such version, or it is deleted.
            ConflictError: The version is archived, or has not passed its smoke test.
        """
        record = self.record(tenant, model, version)
        if record.status == "ARCHIVED":
            raise ConflictError(
                f"version {version} of '{model}' is archived: 'modeldrop undelete {model} {version}' restores it"
            )
        if record.status != "READY":
            raise ConflictError(
                f"version {version} of '{model}' has not passed its smoke test: expected a READY version"
            )
        return record

    def list(self, tenant: str, model: str) -> list[VersionRecord]:
        """Return a model's records, oldest first; deleted ones have the status DELETED in their grace period."""
        items = self._store.table.query(*version_prefix(tenant, model))
        return [parse_version(item) for item in items if not self._is_expired(item)]

    def page(self, tenant: str, model: str, *, limit: int, after: str | None = None) -> Page[VersionRecord]:
        """Return a page of a model's records, oldest first; see ``list``.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            limit: Maximum number of records.
            after: Position after which the page begins.
        """
        pk, prefix = version_prefix(tenant, model)
        start = None if after is None else f"{prefix}{after}"
        return make_page(
            self._store.table.query(pk, prefix, limit=limit + 1, after=start),
            limit,
            position=lambda item: str(item["sk"]).removeprefix(prefix),
            parse=lambda items: [parse_version(item) for item in items if not self._is_expired(item)],
        )

    def newest_ready(self, tenant: str, model: str, *, limit: int) -> Sequence[int]:
        """Return the READY ones among a model's newest ``limit`` versions, oldest first."""
        items = self._store.table.query(*version_prefix(tenant, model), newest_first=True, limit=limit)
        records = [parse_version(item) for item in items]
        return [record.version for record in reversed(records) if record.status == "READY"]

    def check_artifact(self, artifact: Artifact) -> None:
        """Check that an artifact is in the bucket and has the recorded size.

        Raises:
            IntegrityError: The artifact is not in the bucket, or has another size.
        """
        try:
            stored = self._store.artifacts.head(artifact.key)
        except ObjectNotFoundError as error:
            raise IntegrityError(
                f"the artifact {artifact.sha256} is not in the bucket {self._store.artifacts.bucket}"
            ) from error
        if stored.bytes != artifact.bytes:
            raise IntegrityError(f"the artifact {artifact.sha256} has {stored.bytes} bytes, not {artifact.bytes}")

    def _is_expired(self, item: Item) -> bool:
        until = restorable_until(item)
        return until is not None and until <= self._store.now()


def parse_version(item: Item) -> VersionRecord:
    """Return the record of a version's item, with the current status and tags."""
    record = VersionRecord.model_validate_json(item["record"])
    changes = {"tags": item["tags"]} if "tags" in item else {}
    if "deleted_at" in item:
        changes["status"] = "DELETED"
    elif "archived_at" in item:
        changes["status"] = "ARCHIVED"
    return record.model_copy(update=changes) if changes else record


def restorable_until(item: Item) -> datetime | None:
    """Return the end of a deleted version's grace period; None if the version is not deleted.

    If the date is damaged, a warning is logged and the period does not end: nothing is purged, and the version can be
    restored. An older release let DynamoDB delete the item at ``expires_at``.
    """
    if "restorable_until" in item:
        try:
            return datetime.fromisoformat(item["restorable_until"]).astimezone(UTC)
        except (ValueError, TypeError):
            import logging  # noqa: PLC0415 - no other item needs it

            logging.getLogger(__name__).warning(
                "restorable_until of %s, %s is damaged: a time is expected", item["pk"], item["sk"]
            )
            return datetime.max.replace(tzinfo=UTC)
    return datetime.fromtimestamp(item["expires_at"], UTC) if "expires_at" in item else None
