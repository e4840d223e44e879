"""Model registry: versions 1, 2, 3 ... of a model, and the aliases that point to them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.clock import Clock, format_time, utc_now
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.object_keys import artifact_key
from pipeline.contracts.paging.listing import name_shard, read_listing
from pipeline.contracts.paging.page import Page, collect, make_page
from pipeline.contracts.ports import Item, ObjectStore, PutRequest, Table, TableWrite, UpdateRequest
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
from pipeline.contracts.records.variant import Artifact
from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import model_key, models_of, registration_key, version_key
from pipeline.registry.alias_history import LIVE, AliasHistory
from pipeline.registry.aliases import Aliases, AliasRef
from pipeline.registry.contention import RegistryStore, make_item
from pipeline.registry.lifecycle import VersionLifecycle
from pipeline.registry.rollouts.rollouts import Rollouts
from pipeline.registry.versions import Versions

__all__ = ["MAX_RECORD_BYTES", "ModelRegistry"]

MAX_RECORD_BYTES = 32 << 10  # size of a version's JSON; a DynamoDB item has at most 400 KB
_LISTING = "MODEL"
_MAX_CACHED_SIGNATURES = 4  # signatures of wide tables are large


class ModelRegistry:
    """Versions and aliases in the table.

    Each change is one transaction, conditional on what was read before, and retried if another writer was first. All
    changes raise TransientError if too many writers compete.

    Attributes:
        versions: Records of versions.
        aliases: Aliases of models.
        moves: History of the aliases.
        rollouts: New versions beside live ones.
        lifecycle: Archiving, deleting and tagging of versions.

    Args:
        table: Table of the registry.
        artifacts: Bucket of the registry's files.
        now: Returns the current time, UTC.
        sleep: Sleeps for a number of seconds, between attempts.
    """

    def __init__(
        self,
        table: Table,
        artifacts: ObjectStore,
        *,
        now: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store = RegistryStore(table, artifacts, now, sleep)
        self.versions = Versions(store)
        self.aliases = Aliases(store, self.versions)
        self.moves = AliasHistory(table)
        self.rollouts = Rollouts(store, self.versions, self.aliases)
        self.lifecycle = VersionLifecycle(store, self.versions, self.aliases)
        self._read_signature = lru_cache(maxsize=_MAX_CACHED_SIGNATURES)(self._load_signature)

    def register(self, draft: ModelVersion) -> ModelVersion:
        """Store ``draft`` as the model's next version.

        Idempotent per run: a run that has registered gets its version again.

        Args:
            draft: The version; its number is ignored.

        Returns:
            The version with its number, not yet READY.

        Raises:
            IntegrityError: The artifact is not in the bucket, or has another size.
        """
        self.versions.check_artifact(draft.artifact)
        record = self._move_large_signature(draft)
        return self._store.retry(lambda: self._find_registered(draft) or self._try_register(draft, record))

    def ready(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Mark a version as READY after its smoke test. Idempotent.

        Raises:
            NotFoundError: The tenant has no such version.
        """

        def attempt() -> VersionRecord | None:
            item = self.versions.item(tenant, model, version)
            stored = VersionRecord.model_validate_json(item["record"])
            ready = stored.model_copy(update={"status": "READY"})
            values = {"record": ready.model_dump_json()}
            written = self._store.table.update(item["pk"], item["sk"], values, only_if={"record": item["record"]})
            return ready if written else None

        return self._store.retry(attempt)

    def get(self, tenant: str, model: str, version: int) -> ModelVersion:
        """Return a version with its signature.

        Raises:
            NotFoundError: The tenant has no such version.
            IntegrityError: The file of its signature is missing or changed.
        """
        record = self.versions.record(tenant, model, version)
        signature = record.signature if record.signature_file is None else self._read_signature(record.signature_file)
        return ModelVersion(**{**dict(record), "signature": signature})

    def live(self, tenant: str, model: str, *, alias: str = LIVE) -> ModelVersion:
        """Return the version that ``alias`` points to.

        Raises:
            NotFoundError: The alias or its version does not exist.
            IntegrityError: The file of its signature is missing or changed.
        """
        version = self.aliases.version(AliasRef(tenant, model, alias))
        if version is None:
            raise NotFoundError(f"model '{model}' has no alias '{alias}'")
        return self.get(tenant, model, version)

    def models(self, tenant: str | None = None) -> list[ModelSummary]:
        """Return all models, as ``models_page`` orders them."""
        return collect(lambda count, after: self.models_page(tenant, limit=count, after=after), None)

    def models_page(
        self,
        tenant: str | None = None,
        *,
        task: str | None = None,
        tags: Sequence[str] = (),
        limit: int,
        after: str | None = None,
    ) -> Page[ModelSummary]:
        """Return a page of models.

        Args:
            tenant: Models of one tenant, sorted by name; by default models of all tenants, latest registration first.
            task: Models whose newest version has this task.
            tags: Models with all these tags, each a name, a value, or ``name=value``.
            limit: Maximum number of models to read; a page with a filter may have fewer.
            after: Position after which the page begins; with ``tenant``, the name of a model.
        """

        def parse(items: Sequence[Item]) -> list[ModelSummary]:
            summaries = [summary for summary in map(_summary, items) if summary.has_tags(tags)]
            return [summary for summary in summaries if task is None or task == self._task(summary)]

        table = self._store.table
        if tenant is None:
            items = read_listing(table, _LISTING, limit=limit + 1, before=after or "")
            return make_page(items, limit, position=lambda item: str(item["listed_at"]), parse=parse)
        pk, prefix = models_of(tenant)
        items = table.query(pk, prefix, limit=limit + 1, after=None if after is None else f"{prefix}{after}")
        return make_page(items, limit, position=lambda item: str(item["model"]), parse=parse)

    def summary(self, tenant: str, model: str) -> ModelSummary | None:
        """Return a model's summary; None if the tenant has no such model."""
        item = self._store.table.get(*model_key(tenant, model))
        return None if item is None else _summary(item)

    def records(self, tenant: str) -> Iterator[VersionRecord]:
        """Yield the records of all versions of a tenant, deleted ones within their grace period included."""
        for summary in self.models(tenant):
            yield from self.versions.list(tenant, summary.model)

    def delete_all(self, tenant: str) -> int:
        """Delete all models of a tenant from the table, and return the number of items. Idempotent."""
        deleted = 0
        for summary in self.models(tenant):
            partition, _ = version_key(tenant, summary.model, 0)
            keys = [(item["pk"], item["sk"]) for item in self._store.table.query(partition)]
            for key in (*keys, model_key(tenant, summary.model)):  # the summary last: the other items are found by it
                self._store.table.delete(*key)
            deleted += len(keys) + 1
        return deleted

    def _move_large_signature(self, draft: ModelVersion) -> VersionRecord:
        """Return the draft's record; above MAX_RECORD_BYTES, its signature is moved to a file in the bucket."""
        record = VersionRecord(**dict(draft))
        if len(record.model_dump_json().encode()) <= MAX_RECORD_BYTES:
            return record
        body = json.dumps(draft.signature.to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        file = Artifact(key=artifact_key(draft.tenant, sha256), sha256=sha256, bytes=len(body))
        self._store.artifacts.put_if_absent(file.key, body)
        return record.model_copy(update={"signature": None, "signature_file": file})

    def _load_signature(self, file: Artifact) -> Signature:
        return Signature.from_dict(json.loads(read_artifact(self._store.artifacts, file.key, file.sha256)))

    def _find_registered(self, draft: ModelVersion) -> ModelVersion | None:
        mark = self._store.table.get(*registration_key(draft.tenant, draft.model, draft.lineage.run))
        return self.get(draft.tenant, draft.model, mark["version"]) if mark else None

    def _try_register(self, draft: ModelVersion, record: VersionRecord) -> ModelVersion | None:
        tenant, model = draft.tenant, draft.model
        summary = self._store.table.get(*model_key(tenant, model))
        number = summary["latest_version"] + 1 if summary else 1
        record = record.model_copy(update={"version": number})
        written = self._store.table.write_all(
            [
                PutRequest(
                    item=make_item(version_key(tenant, model, number), record=record.model_dump_json()),
                    only_if_absent=True,
                ),
                PutRequest(
                    item=make_item(registration_key(tenant, model, draft.lineage.run), version=number),
                    only_if_absent=True,
                ),
                self._write_summary(tenant, model, number, draft.signature.task, summary),
            ]
        )
        return draft.model_copy(update={"version": number}) if written else None

    def _write_summary(self, tenant: str, model: str, number: int, task: str, stored: Item | None) -> TableWrite:
        key = model_key(tenant, model)
        listed_at = f"{format_time(self._store.now())}#{tenant}/{model}"
        listed = {"latest_version": number, "task": task, "listing": name_shard(_LISTING, key), "listed_at": listed_at}
        if stored is not None:
            return UpdateRequest(key=key, values=listed, only_if={"latest_version": number - 1})
        item = make_item(key, tenant=tenant, model=model, aliases={}, **listed)
        return PutRequest(item=item, only_if_absent=True)

    def _task(self, summary: ModelSummary) -> str | None:
        """Return the task of a model's newest version; read the version if an older release wrote the summary."""
        if summary.task is not None:
            return summary.task
        try:
            return self.get(summary.tenant, summary.model, summary.latest_version).signature.task
        except NotFoundError:
            return None


def _summary(item: Item) -> ModelSummary:
    return ModelSummary.model_validate({k: v for k, v in item.items() if k in ModelSummary.model_fields})
