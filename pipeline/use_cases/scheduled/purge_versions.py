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

_BATCH = 500  # versions per read; a call that has purged this many ends


class Purge(NamedTuple):
    """Result of one call.

    Attributes:
        versions: Names of the purged versions.
        failures: Error by tenant, for tenants whose versions could not be purged; the next call tries them again.
    """

    versions: Sequence[str]
    failures: Mapping[str, Exception]


@dataclass(frozen=True, kw_only=True)
class PurgeVersions:
    """Delete the files of deleted versions, unless another version of the tenant has the same content.

    A run may register a version with the same content at the same time. If that version's file is missing, the version
    never becomes READY. To prevent this, references are looked up again after the deletion, and a file that is
    referenced again is restored from its object version in the bucket. The object version's id is recorded before the
    deletion, so that the call after an interrupted one can restore the file too.

    Attributes:
        registry: Registry of the stack.
        artifacts: Bucket of the files.
    """

    registry: ModelRegistry
    artifacts: ObjectStore

    def __call__(self) -> Purge:
        """Purge the versions that are due, about 500 at most. Idempotent.

        An error of one tenant does not stop the purge of the others.
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
        """Return the object version's id by key, including those that an interrupted purge recorded."""
        stored = dict(version.purged_files)
        for key in version.record.files:
            with suppress(ObjectNotFoundError):
                stored[key] = self.artifacts.head(key).version_id
        return stored

    def _referenced(self, tenant: str, purged: Collection[str]) -> set[str]:
        """Return the files of a tenant's versions, except the purged ones. A version in its grace period counts."""
        records = self.registry.records(tenant)
        return {key for record in records if record.full_name not in purged for key in record.files}

    def _restore(self, key: str, version_id: str) -> None:
        try:
            self.artifacts.head(key)
        except ObjectNotFoundError:
            self.artifacts.copy_from(self.artifacts, key, key, version_id=version_id)
