"""Use case: files of deleted versions leave the bucket when their grace period is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from pipeline.contracts.errors import ModeldropError, ObjectNotFoundError
from pipeline.contracts.ports import ObjectStore
from pipeline.registry.lifecycle import OverdueVersion
from pipeline.registry.model_registry import ModelRegistry

__all__ = ["Purge", "PurgeVersions"]

_BATCH = 500  # versions that are read at once, and enough for one call


class Purge(NamedTuple):
    """What one call did.

    Attributes:
        versions: Names of the purged versions.
        failures: Error by tenant, of those whose versions were not purged; the next call tries them again.
    """

    versions: Sequence[str]
    failures: Mapping[str, Exception]


@dataclass(frozen=True, kw_only=True)
class PurgeVersions:
    """Delete the files of deleted versions, unless another version of the tenant has the same content.

    A run may register a version with the same content meanwhile. It finds either the file, or that it is gone, and then
    never becomes READY. So that it finds the file, references are looked up once more after the deletion, and a file
    that has got one is restored from its version in the bucket. That version's id is noted before the deletion: whoever
    goes on after an interruption restores it as well.

    Attributes:
        registry: Registry of the stack.
        artifacts: Bucket of the files.
    """

    registry: ModelRegistry
    artifacts: ObjectStore

    def __call__(self) -> Purge:
        """Purge the versions that are due, about 500 at most. Idempotent.

        One tenant's error does not keep others back: where versions could not be purged, further ones are.
        """
        purged: list[str] = []
        failures: dict[str, Exception] = {}
        for overdue in self.registry.lifecycle.overdue(limit=_BATCH):
            by_tenant = sorted(overdue, key=lambda version: version.tenant)
            for tenant, versions in groupby(by_tenant, key=lambda version: version.tenant):
                if tenant in failures:
                    continue
                try:
                    purged += self._purge(tenant, list(versions))
                except (ModeldropError, ValueError, KeyError) as error:  # the last two: a damaged record
                    failures[tenant] = error
            if len(purged) >= _BATCH:
                break
        return Purge(purged, failures)

    def _purge(self, tenant: str, versions: Sequence[OverdueVersion]) -> Sequence[str]:
        lifecycle = self.registry.lifecycle
        files: dict[str, str] = {}
        noted: list[OverdueVersion] = []
        for version in versions:
            stored = self._stored_files(version)
            if lifecycle.note_purge(version, stored):
                noted.append(version)
                files |= stored
        purged = {version.record.full_name for version in noted}
        for key in files.keys() - self._referenced(tenant, purged):
            self.artifacts.delete(key)
        for key in files.keys() & self._referenced(tenant, purged):
            self._restore(key, files[key])
        for version in noted:
            lifecycle.remove(version)
        return sorted(purged)

    def _stored_files(self, version: OverdueVersion) -> Mapping[str, str]:
        """Return the id of the object's version by key, those of an interrupted purge included."""
        stored = dict(version.purged_files)
        for key in version.record.files:
            with suppress(ObjectNotFoundError):
                stored[key] = self.artifacts.head(key).version_id
        return stored

    def _referenced(self, tenant: str, purged: Collection[str]) -> set[str]:
        """Return the files of a tenant's versions but those that are purged. One in its grace period counts."""
        records = self.registry.records(tenant)
        return {key for record in records if record.full_name not in purged for key in record.files}

    def _restore(self, key: str, version_id: str) -> None:
        try:
            self.artifacts.head(key)
        except ObjectNotFoundError:
            self.artifacts.copy_from(self.artifacts, key, key, version_id=version_id)
