"""Use case: a person accepts a variant of an ended run, which is then served."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, NotFoundError, ObjectNotFoundError
from pipeline.contracts.object_keys import RunKeys, run_name
from pipeline.contracts.ports import Executions
from pipeline.contracts.records.outcome import BODY, MODEL, REFERENCE, TRAINED, WEIGHTS
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Run, Upload
from pipeline.contracts.records.variant import Acceptance, Variant, VariantSet
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["AcceptVariant"]

_SPLITS = ("train", "validation", "test")
_CANDIDATE_FILES = (MODEL, BODY, REFERENCE, WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class AcceptVariant(RunUseCase):
    """Start a run that evaluates, registers, tests and promotes a variant that an earlier run has made.

    The new run gets copies of the earlier run's documents and begins at the stage ``select``. Idempotent: accepting the
    same variant of the same run again returns the same new run.

    Attributes:
        executions: The state machine.
        now: Returns the current time, UTC.
    """

    executions: Executions
    now: Clock = utc_now

    def __call__(self, run: str, variant: str, *, by: str) -> str:
        """Accept a variant.

        Args:
            run: Name of the run that made the variant.
            variant: Display name of the variant.
            by: Name of the person who accepts it; the new run's Acceptance records it.

        Returns:
            Name of the new run.

        Raises:
            NotFoundError: The run has no such variant.
            ConflictError: The run is still running, has made no variants, or the variant did not pass its gates.
        """
        earlier = self.runs.get(run)
        chosen = self._find(earlier, variant)
        keys = RunKeys(run)
        upload = self._read(Upload, keys.upload)
        accepted = run_name(earlier.tenant, earlier.model, upload.bucket, upload.key, f"{run}#{chosen.display_name}")
        began = self.runs.create(
            accepted, tenant=earlier.tenant, model=earlier.model, file=earlier.file, started_at=self.now()
        )
        if not began and self.runs.get(accepted).status != "RUNNING":
            return accepted
        accepted_keys = RunKeys(accepted)
        for source in self._document_keys(keys, chosen):
            self._copy(source, accepted_keys.root + source.removeprefix(keys.root))
        self._write(Acceptance(run=run, variant=chosen.display_name, by=by), accepted_keys.acceptance)
        self._skip_stages(accepted, earlier, "select")
        self.executions.start(accepted, {"run": accepted, "large": False, "accept": chosen.display_name})
        return accepted

    def _find(self, run: Run, name: str) -> Variant:
        if run.status == "RUNNING":
            raise ConflictError(f"run {run.run} is still running: a variant can be accepted after it has ended")
        try:
            variants = self._read(VariantSet, RunKeys(run.run).variants).variants
        except ObjectNotFoundError as error:
            raise ConflictError(f"run {run.run} ended before it made variants") from error
        passed = [variant.display_name for variant in variants if variant.status == "ok"]
        for variant in variants:
            if variant.display_name != name:
                continue
            if variant.status != "ok":
                raise ConflictError(f"variant {name} of run {run.run} cannot be served: {variant.reason}")
            return variant
        raise NotFoundError(f"run {run.run} has no variant '{name}': expected one of {', '.join(passed)}")

    def _document_keys(self, keys: RunKeys, variant: Variant) -> Sequence[str]:
        """Return the keys of the documents that ``select`` and the stages after it read."""
        plan = self._read(Plan, keys.plan)
        jobs = [job.name for job in plan.jobs]
        return (
            *(keys.upload, keys.spec, keys.dataset, keys.report, keys.plan, keys.ensemble, keys.variants),
            *(keys.split(name) for name in _SPLITS),
            *(keys.outcome(job) for job in [*jobs, "ensemble", "compress"]),
            *(keys.candidate(candidate.name, TRAINED) for candidate in plan.candidates),
            *(keys.candidate(variant.candidate, file) for file in _CANDIDATE_FILES),
        )

    def _copy(self, source: str, target: str) -> None:
        """Copy an object through a file, since a split may exceed the memory. Skip an object that does not exist."""
        with tempfile.TemporaryDirectory() as folder, suppress(ObjectNotFoundError):
            path = Path(folder) / "object"
            self.artifacts.download(source, path)
            self.artifacts.upload(path, target)
