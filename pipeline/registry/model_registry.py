"""Model registry: versions 1, 2, 3 ... of a model, and the aliases that point to them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import lru_cache

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import NotFoundError
from pipeline.contracts.object_keys import artifact_key
from pipeline.contracts.ports import Item, ObjectStore, PutRequest, Table, TableWrite, UpdateRequest
from pipeline.contracts.records.alias_move import AliasMove
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
from pipeline.contracts.records.variant import Artifact
from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import model_key, models_of, registration_key, version_key
from pipeline.registry.alias_history import LIVE, AliasHistory
from pipeline.registry.aliases import Aliases, AliasRef
from pipeline.registry.contention import make_item, retry_on_conflict
from pipeline.registry.lifecycle import VersionLifecycle
from pipeline.registry.rollouts.rollouts import Rollouts
from pipeline.registry.versions import Versions

__all__ = ["MAX_RECORD_BYTES", "ModelRegistry"]

MAX_RECORD_BYTES = 32 << 10  # of a version's JSON; a DynamoDB item has at most 400 KB
_MAX_CACHED_SIGNATURES = 4  # signatures of wide tables are large


class ModelRegistry:
    """Versions and aliases in the table.

    Each change is one transaction, conditional on what was read before, and retried if another writer was first. All
    changes raise TransientError if too many writers compete.

    Attributes:
        aliases: Aliases of models.
        moves: History of the aliases.
        rollouts: New versions beside live ones.
        lifecycle: Archiving, deleting and tagging of versions.
    """

    def __init__(
        self,
        table: Table,
        artifacts: ObjectStore,
        *,
        now: Clock = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._artifacts = artifacts
        self._now = now
        self._pause = pause
        self._versions = Versions(table, artifacts, now=now)
        self.aliases = Aliases(table, self._versions, now=now, pause=pause)
        self.moves = AliasHistory(table)
        self.rollouts = Rollouts(table, self._versions, self.aliases, now=now, pause=pause)
        self.lifecycle = VersionLifecycle(table, self._versions, self.aliases, now=now, pause=pause)
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
        self._versions.check_artifact(draft.artifact)
        record = self._move_large_signature(draft)
        return retry_on_conflict(lambda: self._find_registered(draft) or self._try_register(draft, record), self._pause)

    def ready(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Mark a version as READY after its smoke test. Idempotent.

        Raises:
            NotFoundError: The tenant has no such version.
        """

        def attempt() -> VersionRecord | None:
            item = self._versions.item(tenant, model, version)
            stored = VersionRecord.model_validate_json(item["record"])
            ready = stored.model_copy(update={"status": "READY"})
            values = {"record": ready.model_dump_json()}
            written = self._table.update(item["pk"], item["sk"], values, only_if={"record": item["record"]})
            return ready if written else None

        return retry_on_conflict(attempt, self._pause)

    def promote(self, tenant: str, model: str, version: int, *, alias: str = LIVE, by: str) -> VersionRecord:
        """Point ``alias`` to a version; see ``Aliases.move``."""
        self.aliases.move(AliasRef(tenant, model, alias), version, by=by)
        return self.record(tenant, model, version)

    def promote_newer(self, tenant: str, model: str, version: int, *, run: str) -> VersionRecord:
        """Make a run's version live unless it is older; see ``Aliases.move_to_newer``."""
        self.aliases.move_to_newer(AliasRef(tenant, model), version, run=run)
        return self.record(tenant, model, version)

    def get(self, tenant: str, model: str, version: int) -> ModelVersion:
        """Return a version with its signature.

        Raises:
            NotFoundError: The tenant has no such version.
            IntegrityError: The file of its signature is missing or changed.
        """
        record = self.record(tenant, model, version)
        signature = record.signature if record.signature_file is None else self._read_signature(record.signature_file)
        return ModelVersion(**{**dict(record), "signature": signature})

    def record(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Return the record of a version.

        Raises:
            NotFoundError: The tenant has no such version.
        """
        return self._versions.record(tenant, model, version)

    def live(self, tenant: str, model: str, *, alias: str = LIVE) -> ModelVersion:
        """Return the version that ``alias`` points to.

        Raises:
            NotFoundError: The alias points to none.
            IntegrityError: The file of its signature is missing or changed.
        """
        version = self.aliases.version(AliasRef(tenant, model, alias))
        if version is None:
            raise NotFoundError(f"model '{model}' has no alias '{alias}'")
        return self.get(tenant, model, version)

    def versions(self, tenant: str, model: str) -> list[VersionRecord]:
        """Return a model's records, oldest first; an unknown model has none.

        Deleted versions have the status DELETED until their grace period ends.
        """
        return self._versions.list(tenant, model)

    def models(
        self, tenant: str | None = None, *, limit: int | None = None, after: str | None = None
    ) -> list[ModelSummary]:
        """Return model summaries.

        Args:
            tenant: Models of one tenant, sorted by name; by default models of all tenants, latest registration first.
            limit: Maximum number of models; None for all.
            after: Of one tenant only models whose name follows this one.
        """
        if tenant is None:
            return [_summary(item) for item in self._table.listing("MODEL", limit=limit)]
        pk, prefix = models_of(tenant)
        start = None if after is None else f"{prefix}{after}"
        return [_summary(item) for item in self._table.query(pk, prefix, limit=limit, after=start)]

    def summary(self, tenant: str, model: str) -> ModelSummary | None:
        """Return a model's summary; None if the tenant has no such model."""
        item = self._table.get(*model_key(tenant, model))
        return None if item is None else _summary(item)

    def delete_all(self, tenant: str) -> int:
        """Delete all models of a tenant from the table, and return the number of items. Idempotent."""
        deleted = 0
        for summary in self.models(tenant):
            partition, _ = version_key(tenant, summary.model, 0)
            keys = [(item["pk"], item["sk"]) for item in self._table.query(partition)]
            for key in (*keys, model_key(tenant, summary.model)):  # the summary last: it leads to the others
                self._table.delete(*key)
            deleted += len(keys) + 1
        return deleted

    def history(self, tenant: str, model: str) -> list[AliasMove]:
        """Return the moves of all aliases, oldest first."""
        return self.moves.list(tenant, model)[::-1]

    def replaced_choice(self, tenant: str, model: str, run: str) -> AliasMove | None:
        """Return the manual promotion or rollback that ``run`` replaced; None if it replaced none."""
        return self.moves.replaced_choice(tenant, model, run)

    def _move_large_signature(self, draft: ModelVersion) -> VersionRecord:
        """Return the draft's record; a record over MAX_RECORD_BYTES has its signature in a file of the bucket."""
        record = VersionRecord(**dict(draft))
        if len(record.model_dump_json().encode()) <= MAX_RECORD_BYTES:
            return record
        body = json.dumps(draft.signature.to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        sha256 = hashlib.sha256(body).hexdigest()
        file = Artifact(key=artifact_key(draft.tenant, sha256), sha256=sha256, bytes=len(body))
        self._artifacts.put_if_absent(file.key, body)
        return record.model_copy(update={"signature": None, "signature_file": file})

    def _load_signature(self, file: Artifact) -> Signature:
        return Signature.from_dict(json.loads(read_artifact(self._artifacts, file.key, file.sha256)))

    def _find_registered(self, draft: ModelVersion) -> ModelVersion | None:
        mark = self._table.get(*registration_key(draft.tenant, draft.model, draft.lineage.run))
        return self.get(draft.tenant, draft.model, mark["version"]) if mark else None

    def _try_register(self, draft: ModelVersion, record: VersionRecord) -> ModelVersion | None:
        tenant, model = draft.tenant, draft.model
        summary = self._table.get(*model_key(tenant, model))
        number = summary["latest_version"] + 1 if summary else 1
        record = record.model_copy(update={"version": number})
        written = self._table.write_all(
            [
                PutRequest(
                    item=make_item(version_key(tenant, model, number), record=record.model_dump_json()),
                    only_if_absent=True,
                ),
                PutRequest(
                    item=make_item(registration_key(tenant, model, draft.lineage.run), version=number),
                    only_if_absent=True,
                ),
                self._write_summary(tenant, model, number, summary),
            ]
        )
        return draft.model_copy(update={"version": number}) if written else None

    def _write_summary(self, tenant: str, model: str, number: int, stored: Item | None) -> TableWrite:
        key = model_key(tenant, model)
        listed = {"latest_version": number, "listing": "MODEL", "listed_at": self._time()}
        if stored is not None:
            return UpdateRequest(key=key, values=listed, only_if={"latest_version": number - 1})
        item = make_item(key, tenant=tenant, model=model, aliases={}, **listed)
        return PutRequest(item=item, only_if_absent=True)

    def _time(self) -> str:
        return self._now().isoformat(timespec="microseconds")  # fixed length, so that text sorts like time


def _summary(item: Item) -> ModelSummary:
    return ModelSummary.model_validate({k: v for k, v in item.items() if k in ModelSummary.model_fields})
