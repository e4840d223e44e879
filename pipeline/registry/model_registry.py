"""Model registry: versions 1, 2, 3 ... of a model, and the aliases that point to them."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from pipeline.contracts.artifacts import read_artifact
from pipeline.contracts.errors import (
    ConflictError,
    IntegrityError,
    NotFoundError,
    ObjectNotFoundError,
    OlderUploadError,
    TransientError,
)
from pipeline.contracts.object_keys import artifact_key, is_run_name
from pipeline.contracts.ports import Item, ObjectStore, PutRequest, Table
from pipeline.contracts.record import Record
from pipeline.contracts.records.model_version import ModelSummary, ModelVersion, VersionRecord
from pipeline.contracts.records.variant import Artifact
from pipeline.contracts.signature import Signature
from pipeline.contracts.table_keys import (
    alias_key,
    history_prefix,
    model_key,
    models_of,
    registration_key,
    version_key,
    version_prefix,
)

__all__ = ["MAX_RECORD_BYTES", "AliasMove", "ModelRegistry"]

MAX_RECORD_BYTES = 32 << 10  # of a version's JSON; a DynamoDB item has at most 400 KB
_MAX_CACHED_SIGNATURES = 4  # signatures of wide tables are large
_MAX_ATTEMPTS = 64  # of a contested write; in each round at least one writer wins
_LIVE = "live"
_T = TypeVar("_T")


class AliasMove(Record):
    """One move of an alias.

    Attributes:
        alias: Name of the alias.
        version: Version that it points to since.
        previous: Version that it pointed to before; None at first.
        at: Time of the move.
        by: Name of the run or of the person who moved it.
    """

    alias: str
    version: int
    previous: int | None = None
    at: datetime
    by: str

    @property
    def is_manual(self) -> bool:
        """Return whether a person moved the alias, not a run."""
        return not is_run_name(self.by)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ModelRegistry:
    """Versions and aliases in the table.

    Each change is one transaction, conditional on what was read before, and retried if another writer was first. All
    changes raise TransientError if too many writers compete.
    """

    def __init__(
        self,
        table: Table,
        artifacts: ObjectStore,
        *,
        now: Callable[[], datetime] = _utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._artifacts = artifacts
        self._now = now
        self._pause = pause
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
        self._check_artifact(draft.artifact)
        record = self._move_large_signature(draft)
        return self._retry_on_conflict(lambda: self._find_registered(draft) or self._try_register(draft, record))

    def ready(self, tenant: str, model: str, version: int) -> VersionRecord:
        """Mark a version as READY after its smoke test. Idempotent.

        Raises:
            NotFoundError: The tenant has no such version.
        """

        def attempt() -> VersionRecord | None:
            item = self._version_item(tenant, model, version)
            ready = _version(item).model_copy(update={"status": "READY"})
            values = {"record": ready.model_dump_json()}
            written = self._table.update(item["pk"], item["sk"], values, only_if={"record": item["record"]})
            return ready if written else None

        return self._retry_on_conflict(attempt)

    def promote(self, tenant: str, model: str, version: int, *, alias: str = _LIVE, by: str) -> VersionRecord:
        """Point ``alias`` to a version, newer or older. Idempotent: nothing is written if it points there already.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.
            alias: Alias to move.
            by: Name of the run or of the person, for the history.

        Raises:
            NotFoundError: The tenant has no such version.
            ConflictError: The version is not READY.
            IntegrityError: Its artifact is gone.
        """
        ready_version = self._promotable(tenant, model, version)
        self._retry_on_conflict(lambda: self._try_promote(ready_version, alias, by))
        return ready_version

    def promote_newer(self, tenant: str, model: str, version: int, *, run: str) -> VersionRecord:
        """Make a run's version live unless a version from a newer upload has ever been live.

        Args:
            tenant: Tenant of the model.
            model: Name of the model.
            version: Number of the version.
            run: Name of the run.

        Raises:
            OlderUploadError: A version from a newer upload has been live; the alias stays.
            NotFoundError: The tenant has no such version.
            ConflictError: The version is not READY.
            IntegrityError: Its artifact is gone.
        """
        ready_version = self._promotable(tenant, model, version)
        self._retry_on_conflict(lambda: self._try_promote(ready_version, _LIVE, run, only_newer=True))
        return ready_version

    def _promotable(self, tenant: str, model: str, version: int) -> VersionRecord:
        candidate = self.record(tenant, model, version)
        if candidate.status != "READY":
            raise ConflictError(
                f"version {version} of '{model}' has not passed its smoke test: expected a READY version"
            )
        self._check_artifact(candidate.artifact)
        return candidate

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
        return _version(self._version_item(tenant, model, version))

    def live(self, tenant: str, model: str, *, alias: str = _LIVE) -> ModelVersion:
        """Return the version that ``alias`` points to.

        Raises:
            NotFoundError: The alias points to none.
            IntegrityError: The file of its signature is missing or changed.
        """
        item = self._table.get(*alias_key(tenant, model, alias))
        if item is None:
            raise NotFoundError(f"model '{model}' has no alias '{alias}'")
        return self.get(tenant, model, item["version"])

    def versions(self, tenant: str, model: str) -> list[VersionRecord]:
        """Return a model's records, oldest first; an unknown model has none."""
        return [_version(item) for item in self._table.query(*version_prefix(tenant, model))]

    def models(self, tenant: str | None = None) -> list[ModelSummary]:
        """Return model summaries.

        Args:
            tenant: Models of one tenant, sorted by name; by default models of all tenants, latest registration first.
        """
        items = self._table.listing("MODEL") if tenant is None else self._table.query(*models_of(tenant))
        return [_summary(item) for item in items]

    def history(self, tenant: str, model: str) -> list[AliasMove]:
        """Return the moves of all aliases, oldest first."""
        items = self._table.query(*history_prefix(tenant, model))
        return [AliasMove.model_validate({k: v for k, v in i.items() if k in AliasMove.model_fields}) for i in items]

    def replaced_choice(self, tenant: str, model: str, run: str) -> AliasMove | None:
        """Return the manual promotion or rollback that ``run`` replaced; None if it replaced none."""
        moves = [move for move in self.history(tenant, model) if move.alias == _LIVE]
        earlier = next((before for before, move in pairwise(moves) if move.by == run), None)
        return earlier if earlier is not None and earlier.is_manual else None

    def _check_artifact(self, artifact: Artifact) -> None:
        try:
            stored = self._artifacts.head(artifact.key)
        except ObjectNotFoundError as error:
            raise IntegrityError(
                f"the artifact {artifact.sha256} is not in the bucket {self._artifacts.bucket}"
            ) from error
        if stored.bytes != artifact.bytes:
            raise IntegrityError(f"the artifact {artifact.sha256} has {stored.bytes} bytes, not {artifact.bytes}")

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
        stored_summary = self._table.get(*model_key(draft.tenant, draft.model))
        number = stored_summary["latest_version"] + 1 if stored_summary else 1
        record = record.model_copy(update={"version": number})
        tenant, model = draft.tenant, draft.model
        summary = _make_item(model_key(tenant, model), tenant=tenant, model=model, latest_version=number)
        summary |= {"listing": "MODEL", "listed_at": self._time()}
        if stored_summary and "live_version" in stored_summary:
            summary["live_version"] = stored_summary["live_version"]
        written = self._table.write_all(
            [
                PutRequest(
                    item=_make_item(version_key(tenant, model, number), record=record.model_dump_json()),
                    only_if_absent=True,
                ),
                PutRequest(
                    item=_make_item(registration_key(tenant, model, draft.lineage.run), version=number),
                    only_if_absent=True,
                ),
                _put_if_unchanged(stored_summary, summary),
            ]
        )
        return draft.model_copy(update={"version": number}) if written else None

    def _try_promote(self, to: VersionRecord, alias: str, by: str, *, only_newer: bool = False) -> bool:
        moved = self._table.get(*alias_key(to.tenant, to.model, alias))
        previous = moved["version"] if moved else None
        if previous == to.version:
            return True
        newest = self._newest(to, moved)
        if only_newer and newest.version != to.version:
            raise OlderUploadError(
                f"version {to.version} was not promoted: its upload is older than that of version "
                f"{newest.version}, which has been live"
            )
        moved_at = self._time()
        pk, prefix = history_prefix(to.tenant, to.model)
        move = {"alias": alias, "version": to.version, "previous": previous, "at": moved_at, "by": by}
        puts = [
            _put_if_unchanged(
                moved,
                _make_item(
                    alias_key(to.tenant, to.model, alias), version=to.version, newest=newest.version, at=moved_at
                ),
            ),
            PutRequest(item={"pk": pk, "sk": f"{prefix}{moved_at}#{alias}", **move}, only_if_absent=True),
        ]
        if alias == _LIVE:
            summary = self._table.get(*model_key(to.tenant, to.model))
            assert summary is not None, "a registered version has a summary"
            puts.append(_put_if_unchanged(summary, {**summary, "live_version": to.version}))
        return self._table.write_all(puts)

    def _newest(self, to: VersionRecord, moved: Item | None) -> VersionRecord:
        """Return the version of the newest upload among ``to`` and all versions that the alias has pointed to."""
        if moved is None:
            return to
        before = self.record(to.tenant, to.model, moved["newest"] if "newest" in moved else moved["version"])
        return max(to, before, key=lambda version: version.lineage.upload_order)

    def _version_item(self, tenant: str, model: str, version: int) -> Item:
        item = self._table.get(*version_key(tenant, model, version))
        if item is None:
            raise NotFoundError(f"model '{model}' has no version {version}")
        return item

    def _time(self) -> str:
        return self._now().isoformat(timespec="microseconds")  # fixed length, so that text sorts like time

    def _retry_on_conflict(self, attempt: Callable[[], _T | None]) -> _T:
        """Retry until no other writer is first; in each round one of the competing writers wins, so all finish."""
        for attempts in range(_MAX_ATTEMPTS):
            if result := attempt():
                return result
            self._pause(random.uniform(0, 0.01 * min(attempts, 10)))  # noqa: S311 - jitter only
        raise TransientError(f"the registry is busy: another writer was first in {_MAX_ATTEMPTS} attempts")


def _make_item(key: tuple[str, str], **values: object) -> Item:
    return {"pk": key[0], "sk": key[1], **values}


def _put_if_unchanged(before: Item | None, item: Item) -> PutRequest:
    """Return a write of ``item`` that requires what was read as ``before``."""
    if before is None:
        return PutRequest(item=item, only_if_absent=True)
    watched = ("version", "newest", "latest_version", "live_version")
    return PutRequest(item=item, only_if={name: before.get(name) for name in watched})


def _version(item: Item) -> VersionRecord:
    return VersionRecord.model_validate_json(item["record"])


def _summary(item: Item) -> ModelSummary:
    return ModelSummary.model_validate({k: v for k, v in item.items() if k in ModelSummary.model_fields})
