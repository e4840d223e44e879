"""What each state of the state machine does: read the run's documents, call one stage, write, tell the run's log.

Stages do not know each other, so the ways between them are here. Each step may be repeated.
"""
# ruff: noqa: PLC0415 - a function's cold start pays only for its own stage (polars, onnxruntime)

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.contracts.errors import (
    CapacityUnavailableError,
    ImageUnavailableError,
    InputError,
    JobCrashedError,
    JobError,
    JobInterruptedError,
    ObjectNotFoundError,
    OlderUploadError,
    TooLargeForFunctionError,
)
from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.ports import FunctionCalls, ObjectStore
from pipeline.contracts.record import Record
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.evaluation_report import JobCost
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.contracts.records.outcome import TRAINED, JobOutcome, TrainedCandidate
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Learning, RunStatus, StageName, Upload
from pipeline.contracts.records.variant import Selection, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.intake.job_outcomes import check_job, read_outcome, require_survivor
from pipeline.intake.run_log import RunLog
from pipeline.registry.base_models import resolve_base_model
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.promotion import describe_replacement, promotion_blocker
from pipeline.registry.registration import build_lineage, draft_version
from pipeline.registry.smoke_test import smoke_test

if TYPE_CHECKING:
    import polars

    from pipeline.evaluation.card.card import EvaluationContext
    from pipeline.evaluation.split_files import SplitFile

__all__ = [
    "FUNCTION_SPLIT_BYTES",
    "JOB_SPLIT_BYTES",
    "Collector",
    "Evaluator",
    "Planner",
    "Promoter",
    "Registrar",
    "Selector",
    "SmokeTester",
    "Validator",
]

_R = TypeVar("_R", bound=Record)

Instead = Mapping[str, str] | str

_MAX_COMPARED_ROWS = 100_000  # rows of a split that the card compares with the others
FUNCTION_SPLIT_BYTES = 384 << 20  # of test rows in the function's 3 GB, beside the model and the other splits
JOB_SPLIT_BYTES = 3 << 30  # in the job's 14 GB
_COMPARED_SHARE = 4  # the train and validation rows that are compared take at most this part of the test rows' bytes


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class _Step:
    artifacts: ObjectStore
    runs: RunLog

    def _read(self, kind: type[_R], key: str) -> _R:
        return kind.from_bytes(self.artifacts.get(key))

    def _write(self, record: Record, key: str) -> None:
        self.artifacts.put(key, record.to_bytes(), content_type="application/json")


@dataclass(frozen=True, kw_only=True)
class Validator(_Step):
    """File -> Dataset; a file that is refused is quarantined, and the error goes on."""

    uploads: ObjectStore

    def __call__(self, run: str) -> None:
        from pipeline.validation.quarantine import quarantine
        from pipeline.validation.validate import validate

        upload = self._read(Upload, RunKeys.of(run).upload)
        try:
            with tempfile.TemporaryDirectory() as workdir:
                dataset = validate(run, upload, uploads=self.uploads, artifacts=self.artifacts, workdir=Path(workdir))
        except InputError as error:
            quarantine(run, upload, error, uploads=self.uploads, artifacts=self.artifacts)
            raise
        self.runs.record_learning(
            run,
            Learning(
                target=dataset.target,
                task=dataset.task,
                default_target=dataset.default_target,
                likely_target=dataset.likely_target,
                hints=dataset.hints,
            ),
        )
        self.runs.finish_stage(run, "validate")


@dataclass(frozen=True, kw_only=True)
class Planner(_Step):
    """Dataset and JobSpec -> Plan. Of a base model the data set is from here on read as that reads it."""

    registry: ModelRegistry

    def __call__(self, run: str) -> Plan:
        from pipeline.planning.fine_tuning import align_columns_to_base, plan_with_base, restrict_to_base_algorithm
        from pipeline.planning.plan import plan

        keys = RunKeys.of(run)
        dataset, spec = self._read(Dataset, keys.dataset), self._read(JobSpec, keys.spec)
        if (wanted := spec.training.base_model) is None:
            planned = plan(dataset, spec)
        else:
            base = resolve_base_model(wanted, tenant=keys.tenant, registry=self.registry, artifacts=self.artifacts)
            dataset = align_columns_to_base(dataset, base)
            planned = plan_with_base(plan(dataset, restrict_to_base_algorithm(spec, base)), base)
            self._write(dataset, keys.dataset)
        self._write(planned, keys.plan)
        if planned.estimate is not None:
            self.runs.record_estimate(run, planned.estimate)
        self.runs.finish_stage(run, "plan")
        return planned


@dataclass(frozen=True, kw_only=True)
class Collector(_Step):
    """What became of one Batch job; and, without a job, whether the stage has what the next one needs.

    ``instead``: where a job continues that got no machine or lost it (``no_machine``), or that died without an outcome
    (``crash``). The run's timeline says so, and why.
    """

    def __call__(
        self, run: str, stage: StageName, job: str | None = None, cause: str = "", instead: Instead | None = None
    ) -> None:
        if job is not None:
            self._check(run, job, cause, instead)
            return
        if stage == "train":
            planned = self._read(Plan, RunKeys.of(run).plan)
            require_survivor(run, [job.name for job in planned.jobs], artifacts=self.artifacts)
        self.runs.finish_stage(run, stage)

    def _check(self, run: str, job: str, cause: str, instead: Instead | None) -> None:
        try:
            check_job(run, job, cause, artifacts=self.artifacts)
        except (CapacityUnavailableError, ImageUnavailableError, JobInterruptedError, JobCrashedError) as error:
            if where := _place_after(error, instead):
                self.runs.add_event(run, f"{error.message}; it continues {where}")
            raise


def _place_after(error: JobError, instead: Instead | None) -> str | None:
    """Where the job continues; None where it does not. An execution that began before an update passes a text."""
    places = {"no_machine": instead} if isinstance(instead, str) else instead or {}
    return places.get("crash" if isinstance(error, JobCrashedError) else "no_machine")


@dataclass(frozen=True, kw_only=True)
class Selector(_Step):
    """VariantSet -> Selection."""

    def __call__(self, run: str) -> None:
        from pipeline.selection.candidate_reports import candidate_reports
        from pipeline.selection.select import select

        keys = RunKeys.of(run)
        plan = self._read(Plan, keys.plan)
        outcomes = [found for job in plan.jobs if (found := read_outcome(run, job.name, self.artifacts))]
        chosen = select(
            self._read(VariantSet, keys.variants),
            metric=plan.metric,
            spec=self._read(JobSpec, keys.spec),
            tried=candidate_reports(plan, outcomes, list(self._trained(plan, keys))),
            notes=plan.notes,
        )
        self._write(chosen, keys.selection)
        self.runs.finish_stage(run, "select")

    def _trained(self, plan: Plan, keys: RunKeys) -> Iterator[TrainedCandidate]:
        for candidate in plan.candidates:
            with suppress(ObjectNotFoundError):
                yield self._read(TrainedCandidate, keys.candidate(candidate.name, TRAINED))


@dataclass(frozen=True, kw_only=True)
class Evaluator(_Step):
    """The winner on the test rows, read this once -> ModelCard and Golden. ``paid``: its machines cost money.

    ``max_bytes``: of the test rows in memory. Where they take more, the step raises TooLargeForFunctionError; the one
    that ``is_last`` measures every n-th row instead, and the card says so.
    """

    paid: bool = False
    max_bytes: int = FUNCTION_SPLIT_BYTES
    is_last: bool = False
    now: Callable[[], datetime] = _utc_now

    def __call__(self, run: str) -> None:
        from pipeline.evaluation.card.card import evaluate

        keys = RunKeys.of(run)
        selection = self._read(Selection, keys.selection)
        assert selection.winner.artifact is not None, "a winner was made"
        test, notes = self._test_rows(keys.split("test"))
        card, golden = evaluate(
            selection,
            run=run,
            model=parse_upload_key(self._read(Upload, keys.upload).key).model,
            dataset=self._read(Dataset, keys.dataset),
            stored=self.artifacts.get(selection.winner.artifact.key),
            test=test,
            background=self._background(run, selection, notes),
            now=self.now(),
        )
        self._write(card, keys.card)
        self._write(golden, keys.golden)
        self.runs.finish_stage(run, "evaluate")

    def _test_rows(self, key: str) -> tuple[polars.DataFrame, Sequence[str]]:
        """The test rows, or every n-th of them; what the card says of that."""
        with self._split_file(key) as split:
            if split.bytes > self.max_bytes and not self.is_last:
                raise TooLargeForFunctionError(
                    f"the test rows take about {_megabytes(split.bytes)}: at most {_megabytes(self.max_bytes)} are "
                    "evaluated by a function"
                )
            test = split.read(max_bytes=self.max_bytes)
            if test.height == split.rows:
                return test, ()
            note = (
                f"test quality is measured on {test.height:,} of {split.rows:,} test rows, evenly spaced: evaluation "
                f"holds at most {_megabytes(self.max_bytes)} of them"
            )
            return test, (note,)

    def _background(self, run: str, selection: Selection, notes: Sequence[str]) -> EvaluationContext:
        from pipeline.evaluation.card.card import EvaluationContext
        from pipeline.planning.estimates import PRICE_SOURCE
        from pipeline.planning.run_estimate import costs_of

        keys, planned = RunKeys.of(run), self._read(Plan, RunKeys.of(run).plan)
        outcomes, spec = self._outcomes(run, planned), self._read(JobSpec, keys.spec)
        return EvaluationContext(
            splits={name: self._sample(keys.split(name)) for name in ("train", "validation")},
            privacy=self._privacy(keys.candidate(selection.winner.candidate, TRAINED)),
            segments=spec.segments,
            class_weights=spec.training.class_weights,
            jobs=tuple(map(self._cost, outcomes, costs_of(outcomes, planned))),
            prices=PRICE_SOURCE if self.paid else "nothing is paid for on this machine",
            warnings=[*notes, *(warning for outcome in outcomes for warning in _losses(outcome))],
        )

    def _sample(self, key: str) -> polars.DataFrame:
        """Of a split that may be larger than the memory: every n-th row."""
        with self._split_file(key) as split:
            return split.read(max_bytes=self.max_bytes // _COMPARED_SHARE, max_rows=_MAX_COMPARED_ROWS)

    @contextmanager
    def _split_file(self, key: str) -> Iterator[SplitFile]:
        from pipeline.evaluation.split_files import SplitFile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "split.parquet"
            self.artifacts.download(key, path)
            yield SplitFile.of(path)

    def _privacy(self, key: str) -> Mapping[str, float]:
        with suppress(ObjectNotFoundError):
            return self._read(TrainedCandidate, key).privacy
        return {}

    def _cost(self, outcome: JobOutcome, dollars: float) -> JobCost:
        """What one job cost; on a laptop nothing."""
        paid = dollars if self.paid else 0.0
        return JobCost(job=outcome.job, device=outcome.device, seconds=outcome.seconds, dollars=paid)

    def _outcomes(self, run: str, planned: Plan) -> list[JobOutcome]:
        """Of the run's jobs, those that left one."""
        jobs = [one.name for one in planned.jobs]
        found = [read_outcome(run, name, self.artifacts) for name in [*jobs, "ensemble", "compress"]]
        return [outcome for outcome in found if outcome is not None]


def _megabytes(count: int) -> str:
    return f"{count >> 20:,} MB"


def _losses(outcome: JobOutcome) -> Iterator[str]:
    for one in outcome.candidates:
        if one.error is not None:
            yield f"the candidate '{one.candidate}' was lost: {one.error.message}"


@dataclass(frozen=True, kw_only=True)
class Registrar(_Step):
    """The winner -> a numbered version that is not READY yet."""

    registry: ModelRegistry
    code_version: str
    now: Callable[[], datetime] = _utc_now

    def __call__(self, run: str) -> int:
        keys = RunKeys.of(run)
        dataset, selection = self._read(Dataset, keys.dataset), self._read(Selection, keys.selection)
        lineage = build_lineage(
            run,
            upload=self._read(Upload, keys.upload),
            dataset=dataset,
            spec=self.artifacts.get(keys.spec),
            code_version=self.code_version,
        )
        draft = draft_version(
            self._read(ModelCard, keys.card),
            selection,
            signature=dataset.signature_of(
                selection.winner.classes, selection.winner.quantiles, selection.winner.decision
            ),
            lineage=lineage,
            now=self.now(),
        )
        version = self.registry.register(draft).version
        self.runs.finish_stage(run, "register")
        return version


@dataclass(frozen=True, kw_only=True)
class SmokeTester(_Step):
    """The golden rows through the real predict function; a version that passes is READY."""

    registry: ModelRegistry
    calls: FunctionCalls
    predict_function: str

    def __call__(self, run: str, version: int) -> None:
        keys = RunKeys.of(run)
        model = self._read(ModelCard, keys.card).model
        registered = self.registry.record(keys.tenant, model, version)
        golden = self._read(GoldenPredictions, keys.golden)
        smoke_test(registered, golden, calls=self.calls, predict_function=self.predict_function)
        self.registry.ready(keys.tenant, model, version)
        self.runs.finish_stage(run, "smoke_test")


@dataclass(frozen=True, kw_only=True)
class Promoter(_Step):
    """The last step: the version goes live, waits for a decision, or stays READY behind one of a newer upload."""

    registry: ModelRegistry

    def __call__(self, run: str, version: int) -> RunStatus:
        keys = RunKeys.of(run)
        reason = promotion_blocker(self._read(JobSpec, keys.spec), self._read(Selection, keys.selection))
        not_promoted = self._promote(run, version) if reason is None else None
        self.runs.finish_stage(run, "promote")
        if reason is not None:
            self.runs.await_promotion(run, version, reason)
            return "NEEDS_DECISION"
        self.runs.succeed(run, version, not_promoted=not_promoted)
        return "SUCCEEDED"

    def _promote(self, run: str, version: int) -> str | None:
        """Make the version live; why not, where one of a newer upload has been live."""
        tenant, model = RunKeys.of(run).tenant, self._read(ModelCard, RunKeys.of(run).card).model
        try:
            self.registry.promote_newer(tenant, model, version, run=run)
        except OlderUploadError as error:
            return error.message
        if replaced := self.registry.replaced_choice(tenant, model, run):
            self.runs.add_event(run, describe_replacement(replaced.version, replaced.by))
        return None
