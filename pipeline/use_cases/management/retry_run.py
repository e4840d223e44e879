"""Use case: retry an ended run as a new run on the same file, from its beginning or from a later stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.contracts.clock import Clock, utc_now
from pipeline.contracts.errors import ConflictError, InputError
from pipeline.contracts.object_keys import RunKeys, parse_upload_key, run_name
from pipeline.contracts.ports import Executions, ObjectStore
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import STAGES, Run, StageName, Upload
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["RetryRun"]

# Stage that a retry begins with instead of the requested one. A version belongs to the run that registered it, so a
# retry of a stage after ``register`` begins at ``register``; ``train`` needs the jobs that ``plan`` makes.
_ENTRIES: Mapping[StageName, StageName] = MappingProxyType(
    {"train": "plan", "smoke_test": "register", "promote": "register"}
)
# Documents that each stage writes, relative to the run's folder. Files of candidates are not among them: a retry copies
# them, so that training continues with them.
_PRODUCTS: Mapping[StageName, Sequence[str]] = MappingProxyType(
    {
        "plan": ("plan.json",),
        "train": ("jobs/",),
        "ensemble": ("ensemble.json", "jobs/ensemble/"),
        "compress": ("variants.json", "jobs/compress/"),
        "select": ("selection.json", "acceptance.json"),
        "evaluate": ("golden.json", "card.json", "jobs/evaluate/"),
    }
)
_INPUTS: Mapping[StageName, Sequence[str]] = MappingProxyType(
    {
        "plan": ("spec.json", "dataset.json", "splits/train.parquet"),
        "ensemble": ("plan.json",),
        "compress": ("plan.json", "ensemble.json"),
        "select": ("plan.json", "variants.json"),
        "evaluate": ("selection.json",),
        "register": ("golden.json", "card.json", "selection.json"),
    }
)


@dataclass(frozen=True, kw_only=True)
class RetryRun(RunUseCase):
    """Start a new run on the file of an ended one.

    Attributes:
        uploads: Bucket of the upload.
        executions: The state machine.
        now: Returns the current time, UTC.
    """

    uploads: ObjectStore
    executions: Executions
    now: Clock = utc_now

    def __call__(self, run: str, stage: str | None = None, *, by: str = "") -> str:
        """Start the new run, and return its name.

        To retry from ``validate``, the upload is copied onto its own key, which starts a run as any upload does, with
        the settings that are stored now. To retry from a later stage, the new run gets copies of the documents of the
        stages before it.

        Args:
            run: Name of the ended run.
            stage: Stage to begin with. None for the failed stage, or the latest stage before it whose inputs exist;
                ``validate`` if no stage failed.
            by: Name of the person, for the new run's timeline.

        Raises:
            NotFoundError: There is no such run, or its upload is gone: replaced versions are kept for 30 days.
            ConflictError: The run is still running, or an input of the stage is missing.
            InputError: There is no such stage.
        """
        earlier = self.runs.get(run)
        if earlier.status == "RUNNING":
            raise ConflictError(f"the run {run} is running: 'modeldrop cancel {run}' ends it first")
        entry = self._choose_entry(earlier, stage)
        upload = self._read(Upload, RunKeys(run).upload)
        return self._start_anew(upload) if entry == "validate" else self._resume(earlier, upload, entry, by)

    def _choose_entry(self, earlier: Run, stage: str | None) -> StageName:
        existing = self._documents(earlier.run)
        if stage is not None:
            named = next((name for name in STAGES if name == stage), None)
            if named is None:
                raise InputError(f"'{stage[:32]}' is not a stage: {', '.join(STAGES)} are expected")
            entry = _ENTRIES.get(named, named)
            if missing := _missing_inputs(entry, existing):
                raise ConflictError(
                    f"the run {earlier.run} cannot begin at {stage}, since {', '.join(missing)} is missing: an "
                    "earlier stage is expected"
                )
            return entry
        failed: StageName = next((entry.name for entry in earlier.stages if entry.status == "FAILED"), "validate")
        first = STAGES.index(_ENTRIES.get(failed, failed))
        candidates = (name for name in reversed(STAGES[: first + 1]) if name == _ENTRIES.get(name, name))
        return next(name for name in candidates if not _missing_inputs(name, existing))

    def _start_anew(self, upload: Upload) -> str:
        self.uploads.copy_from(self.uploads, upload.key, upload.key, version_id=upload.version_id)
        copied = self.uploads.head(upload.key)
        key = parse_upload_key(upload.key)
        return run_name(key.tenant, key.model, upload.bucket, upload.key, copied.version_id)

    def _resume(self, earlier: Run, upload: Upload, entry: StageName, by: str) -> str:
        now = self.now()
        version = f"{earlier.run}#{entry}#{now.isoformat()}"
        run = run_name(earlier.tenant, earlier.model, upload.bucket, upload.key, version)
        self.runs.create(run, tenant=earlier.tenant, model=earlier.model, file=earlier.file, started_at=now)
        source, target = RunKeys(earlier.run).root, RunKeys(run).root
        later_products = tuple(
            product for stage in STAGES[STAGES.index(entry) :] for product in _PRODUCTS.get(stage, ())
        )
        for name in self._documents(earlier.run):
            if not name.startswith(later_products):
                self.artifacts.copy_from(self.artifacts, f"{source}/{name}", f"{target}/{name}")
        self._skip_stages(run, earlier, entry)
        self.runs.add_event(run, f"retries {earlier.run} from {entry}{f', by {by}' if by else ''}")
        has_ensemble = entry != "plan" and self._read(Plan, f"{target}/plan.json").ensemble is not None
        self.executions.start(run, {"run": run, "large": False, "from": entry, "plan": {"ensemble": has_ensemble}})
        return run

    def _documents(self, run: str) -> Sequence[str]:
        """Return the names of the run's documents, relative to its folder."""
        root = f"{RunKeys(run).root}/"
        return [key.removeprefix(root) for key in self.artifacts.keys(root)]


def _missing_inputs(entry: StageName, existing: Sequence[str]) -> Sequence[str]:
    return [name for name in _INPUTS.get(entry, ()) if name not in existing]
