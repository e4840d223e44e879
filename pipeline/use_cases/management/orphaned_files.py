"""Use case: delete the files of versions that an older release deleted without their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys, artifact_key
from pipeline.contracts.paging.page import iterate
from pipeline.contracts.ports import ObjectInfo, ObjectStore
from pipeline.contracts.records.run import Run
from pipeline.contracts.records.variant import Selection
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry

__all__ = ["OrphanedFile", "OrphanedFiles"]

_PAGE = 200  # runs per read


@dataclass(frozen=True, kw_only=True, slots=True)
class OrphanedFile:
    """File of a version that no longer exists.

    Attributes:
        key: Key of the object.
        bytes: Size of the object.
        run: Run that made it.
        model: Name of the model.
        version: Number of the version.
    """

    key: str
    bytes: int
    run: str
    model: str
    version: int


@dataclass(frozen=True, kw_only=True)
class OrphanedFiles:
    """Find and delete files of versions whose items no longer exist.

    An older release let DynamoDB expire the item of a deleted version and left the file in the bucket. The run that
    registered the version still names both. A file that any version of the tenant references is not orphaned. Neither
    are the files of variants that were not registered: they belong to their run.

    Attributes:
        registry: Registry of the stack.
        runs: Log of runs.
        artifacts: Bucket of the files.
    """

    registry: ModelRegistry
    runs: RunLog
    artifacts: ObjectStore

    def find(self, tenant: str) -> Sequence[OrphanedFile]:
        """Return the orphaned files of a tenant. This reads all of the tenant's runs and versions."""
        # Runs first: the records then include the version of every run that had ended.
        runs = list(iterate(lambda after: self.runs.page(tenant=tenant, limit=_PAGE, after=after)))
        records = list(self.registry.records(tenant))
        existing = {(record.model, record.version) for record in records}
        referenced = {key for record in records for key in record.files}
        orphaned: dict[str, OrphanedFile] = {}
        for run in runs:
            if run.version is None or run.status == "RUNNING" or (run.model, run.version) in existing:
                continue
            for info in self._registered_file(run):
                # Jobs write the selection: a key elsewhere in it must not lead to another tenant's file.
                if info.key not in referenced and info.key.startswith(artifact_key(tenant, "")):
                    orphaned[info.key] = OrphanedFile(
                        key=info.key, bytes=info.bytes, run=run.run, model=run.model, version=run.version
                    )
        return list(orphaned.values())

    def delete(self, tenant: str, files: Sequence[OrphanedFile]) -> Sequence[OrphanedFile]:
        """Delete orphaned files, and return those that stay deleted. Idempotent.

        References are looked up again afterwards: a file that a run has registered meanwhile is restored from its
        version in the bucket.
        """
        versions: dict[str, str] = {}
        for file in files:
            try:
                versions[file.key] = self.artifacts.head(file.key).version_id
            except ObjectNotFoundError:
                continue
            self.artifacts.delete(file.key)
        referenced = {key for record in self.registry.records(tenant) for key in record.files}
        for key in versions.keys() & referenced:
            self.artifacts.copy_from(self.artifacts, key, key, version_id=versions[key])
        return [file for file in files if file.key in versions.keys() - referenced]

    def _registered_file(self, run: Run) -> Iterator[ObjectInfo]:
        """Yield the file of the version that a run registered, if the file and the run's Selection exist."""
        try:
            selection = Selection.from_bytes(self.artifacts.get(RunKeys(run.run).selection))
            if selection.winner.artifact is not None:
                yield self.artifacts.head(selection.winner.artifact.key)
        except (ObjectNotFoundError, ValueError):  # deleted, or of a release whose records are no longer read
            return
