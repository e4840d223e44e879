"""Use cases of a run, on fakes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from pipeline.contracts.errors import (
    CapacityUnavailableError,
    ConflictError,
    ExecutionEndedError,
    JobCrashedError,
    NoCandidateSurvivedError,
    SmokeTestFailedError,
)
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import PutRequest, TableWrite
from pipeline.contracts.promotion.live_comparison import LiveComparison
from pipeline.contracts.record import Record
from pipeline.contracts.records.outcome import CandidateOutcome, JobOutcome
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Run, RunError, StageName, Upload
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.check_job import CheckJob
from pipeline.use_cases.finish_stage import FinishStage
from pipeline.use_cases.management.cancel_run import CancelRun
from pipeline.use_cases.plan_run import PlanRun
from pipeline.use_cases.promote_version import PromoteVersion
from pipeline.use_cases.register_version import RegisterVersion
from pipeline.use_cases.select_winner import SelectWinner
from pipeline.use_cases.smoke_test_version import SmokeTestVersion
from tests.fakes.executions import FakeExecutions
from tests.fakes.function_calls import FakeFunctionCalls
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, NOW, artifact, card, dataset, documents, golden, selection, upload
from tests.fakes.table import FakeTable

RUN = "demo_adult_0123456789ab"
AGAIN = "demo_adult_ba9876543210"
KEYS = RunKeys(RUN)


@dataclass
class World:
    """A run that was created, and the documents of all stages before the one in question."""

    table: FakeTable = field(default_factory=FakeTable)
    artifacts: FakeObjectStore = field(default_factory=FakeObjectStore)

    def __post_init__(self) -> None:
        self.runs = RunLog(self.table)
        self.registry = ModelRegistry(self.table, self.artifacts)
        self.runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
        self.artifacts.put(artifact().key, MODEL_BYTES)
        for key, record in (documents(RUN) | {KEYS.selection: selection()}).items():
            self.keep(key, record)

    def keep(self, key: str, record: Record) -> None:
        self.artifacts.put(key, record.to_bytes())

    def run(self) -> Run:
        return self.runs.get(RUN)

    def finished(self, stage: StageName) -> bool:
        return any(s.name == stage and s.status == "SUCCEEDED" for s in self.run().stages)

    def registrar(self) -> RegisterVersion:
        return RegisterVersion(artifacts=self.artifacts, runs=self.runs, registry=self.registry, code_version="1.2.3")

    def smoke_tester(self, predictions: object) -> SmokeTestVersion:
        answer = {"statusCode": 200, "body": json.dumps({"predictions": predictions})}
        return SmokeTestVersion(
            artifacts=self.artifacts,
            runs=self.runs,
            registry=self.registry,
            calls=FakeFunctionCalls(lambda _: answer),
            predict_function="predict",
        )

    def promoter(self) -> PromoteVersion:
        return PromoteVersion(artifacts=self.artifacts, runs=self.runs, registry=self.registry)

    def registered(self, run: str = RUN) -> int:
        version = self.registrar()(run)
        self.registry.ready("demo", "adult", version)
        return version

    def registered_again(self, dropped: Upload | None = None) -> int:
        """Register a version by a later run."""
        self.runs.create(AGAIN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
        keys = RunKeys(AGAIN)
        for key, record in (documents(AGAIN) | {keys.selection: selection(), keys.upload: dropped or upload()}).items():
            self.keep(key, record)
        return self.registered(AGAIN)


@pytest.fixture
def world() -> World:
    return World()


def test_the_plan_has_an_estimate_and_the_run_shows_it() -> None:
    world = World()
    plan = PlanRun(artifacts=world.artifacts, runs=world.runs, registry=world.registry)(RUN)
    assert plan.estimate is not None
    assert plan.estimate.minutes > 0
    assert world.run().estimate == plan.estimate == Plan.from_bytes(world.artifacts.get(KEYS.plan)).estimate


def test_a_model_py_is_skipped_when_jobs_do_not_run_code(world: World) -> None:
    world.keep(KEYS.dataset, dataset().model_copy(update={"code_sha256": "0" * 64}))
    plan_run = PlanRun(artifacts=world.artifacts, runs=world.runs, registry=world.registry)
    assert "model_py" in {candidate.algorithm for candidate in plan_run(RUN).candidates}
    assert "model_py" in {skipped.algorithm for skipped in replace(plan_run, runs_code=False)(RUN).skipped}


def test_select_winner_writes_a_selection(world: World) -> None:
    SelectWinner(artifacts=world.artifacts, runs=world.runs)(RUN)
    chosen = Selection.from_bytes(world.artifacts.get(KEYS.selection))
    assert chosen.winner == selection().winner
    assert world.finished("select")


def test_the_error_of_a_failed_job_does_not_end_the_stage_or_the_run(world: World) -> None:
    check = CheckJob(artifacts=world.artifacts, runs=world.runs)
    with pytest.raises(Exception, match="without an outcome"):
        check(RUN, "gpu", "{}")
    assert not world.finished("train")
    assert world.run().status == "RUNNING"


@pytest.mark.parametrize("reason", ["CAPACITY:NO_MACHINE within 600 seconds", "MISCONFIGURATION:X"])
def test_the_timeline_says_where_a_job_without_a_machine_continues(world: World, reason: str) -> None:
    check = CheckJob(artifacts=world.artifacts, runs=world.runs)
    cause = json.dumps({"Status": "FAILED", "StatusReason": reason})
    with pytest.raises(CapacityUnavailableError):
        check(RUN, "gpu", cause, {"no_machine": "on the CPU queue"})
    (event,) = world.run().events
    assert reason in event.text
    assert event.text.endswith("it continues on the CPU queue")
    with pytest.raises(CapacityUnavailableError):
        check(RUN, "cpu", cause)
    assert len(world.run().events) == 1


def test_the_timeline_says_where_a_crashed_job_continues_only_if_it_does(world: World) -> None:
    check = CheckJob(artifacts=world.artifacts, runs=world.runs)
    container = {"ExitCode": 137, "Reason": "OutOfMemoryError: Container killed due to memory usage"}
    cause = json.dumps({"Status": "FAILED", "Container": container})
    with pytest.raises(JobCrashedError):
        check(RUN, "cpu", cause, {"no_machine": "on demand"})
    assert not world.run().events
    with pytest.raises(JobCrashedError):
        check(RUN, "cpu", cause, {"no_machine": "-", "crash": "on the CPU queue, with twice the memory"})
    (event,) = world.run().events
    assert "OutOfMemoryError" in event.text
    assert event.text.endswith("it continues on the CPU queue, with twice the memory")


def test_training_finishes_only_with_a_trained_candidate(world: World) -> None:
    finish = FinishStage(artifacts=world.artifacts, runs=world.runs)
    with pytest.raises(NoCandidateSurvivedError):
        finish(RUN, "train")
    assert not world.finished("train")
    trained = CandidateOutcome(candidate="mlp", status="trained", seconds=1.0)
    done = JobOutcome(job="gpu", status="SUCCEEDED", device="cpu", seconds=1.0, candidates=(trained,))
    world.keep(KEYS.outcome("gpu"), done)
    finish(RUN, "train")
    assert world.finished("train")
    assert [event.text for event in world.run().events] == ["train: 1 job, 1.0 s"]


def test_the_cost_of_jobs_is_on_the_timeline(world: World) -> None:
    outcome = JobOutcome(job="compress", status="SUCCEEDED", device="cpu", seconds=3600.0, attempts=2)
    world.keep(KEYS.outcome("compress"), outcome)
    FinishStage(artifacts=world.artifacts, runs=world.runs, bills_usage=True)(RUN, "compress")
    (event,) = world.run().events
    assert event.text.startswith("compress: 1 job, 3,600.0 s in 2 attempts, about $0.")


def test_compression_finishes_without_candidates(world: World) -> None:
    FinishStage(artifacts=world.artifacts, runs=world.runs)(RUN, "compress")
    assert world.finished("compress")


def test_a_registered_version_has_its_lineage(world: World) -> None:
    assert world.registrar()(RUN) == world.registrar()(RUN) == 1
    version = world.registry.get("demo", "adult", 1)
    lineage = version.lineage
    assert (version.status, version.algorithm, version.precision) == ("REGISTERED", "mlp", "int8")
    assert version.variant == selection().winner.display_name == "mlp/int8"
    assert (version.signature, version.quality) == (dataset().signature, {"accuracy": 0.88})
    assert (lineage.run, lineage.upload_key, lineage.upload_sha256) == (RUN, upload().key, dataset().sha256)
    assert lineage.code_version == "1.2.3"
    assert version.card_key == KEYS.card
    assert world.finished("register")


def test_a_version_that_predicts_the_golden_rows_is_ready(world: World) -> None:
    version = world.registrar()(RUN)
    world.smoke_tester(golden().predictions)(RUN, version)
    assert world.registry.get("demo", "adult", version).status == "READY"
    assert world.finished("smoke_test")


def test_a_version_that_predicts_differently_is_not_ready(world: World) -> None:
    version = world.registrar()(RUN)
    with pytest.raises(SmokeTestFailedError):
        world.smoke_tester([])(RUN, version)
    assert world.registry.get("demo", "adult", version).status == "REGISTERED"
    assert not world.finished("smoke_test")


def test_a_version_within_its_limits_goes_live_and_the_run_succeeds(world: World) -> None:
    version = world.registered()
    assert world.promoter()(RUN, version) == "SUCCEEDED"
    assert world.registry.live("demo", "adult").version == version
    assert world.registry.moves.list("demo", "adult")[::-1][0].by == RUN
    assert (world.run().status, world.run().version) == ("SUCCEEDED", version)
    assert world.finished("promote")


def test_a_version_of_a_canceled_run_does_not_go_live(world: World) -> None:
    version = world.registered()
    world.runs.fail(RUN, RunError(type="RunCanceledError", message="a person ended the run"))
    with pytest.raises(ExecutionEndedError, match="not promoted"):
        world.promoter()(RUN, version)
    assert world.registry.aliases.version(AliasRef("demo", "adult")) is None


@dataclass
class _Interrupting(FakeTable):
    """Calls ``before`` once, before the item ``sk`` is written."""

    before: Callable[[], object] | None = None
    sk: str = ""

    def write_all(self, writes: Sequence[TableWrite]) -> bool:
        keys = [
            (write.item["pk"], write.item["sk"]) if isinstance(write, PutRequest) else write.key for write in writes
        ]
        if self.before is not None and any(sk == self.sk for _, sk in keys):
            call, self.before = self.before, None
            call()
        return super().write_all(writes)


@pytest.mark.parametrize("sk", [f"RUN#{RUN}", "ALIAS#live"])
def test_a_run_is_either_canceled_or_promoted_at_any_time_of_the_cancellation(sk: str) -> None:
    """The cancellation comes after the promotion has read the run: before its record, or before the alias moves."""
    table = _Interrupting()
    world = World(table=table)
    version = world.registered()
    executions = FakeExecutions()
    cancel = CancelRun(runs=world.runs, executions=executions)
    refused: list[str] = []

    def cancel_late() -> None:
        try:
            cancel(RUN, by="anna")
        except ConflictError as error:
            refused.append(error.message)

    table.before, table.sk = cancel_late, sk
    if sk == "ALIAS#live":
        assert world.promoter()(RUN, version) == "SUCCEEDED"
        assert "is being promoted" in refused[0]
    else:
        with pytest.raises(ExecutionEndedError, match="not promoted"):
            world.promoter()(RUN, version)
        assert not refused
    live = world.registry.aliases.version(AliasRef("demo", "adult"))
    expected = ("SUCCEEDED", version, {}) if refused else ("FAILED", None, {RUN: "canceled by anna"})
    assert (world.run().status, live, executions.stopped) == expected


def test_a_run_whose_promotion_crashed_stays_failed(world: World) -> None:
    version = world.registered()
    assert world.runs.begin_promotion(RUN)
    assert world.runs.fail(RUN, RunError(type="States.Timeout", message="it took too long"))
    with pytest.raises(ExecutionEndedError):
        world.promoter()(RUN, version)


def test_a_repeated_promotion_changes_nothing(world: World) -> None:
    version = world.registered()
    assert world.promoter()(RUN, version) == world.promoter()(RUN, version) == "SUCCEEDED"
    assert len(world.registry.moves.list("demo", "adult")[::-1]) == 1


@pytest.mark.parametrize("why", ["a limit", "manual"])
def test_a_version_that_needs_a_decision_does_not_go_live(world: World, why: str) -> None:
    if why == "manual":
        world.keep(KEYS.spec, JobSpec(promote="manual"))
    else:
        world.keep(KEYS.selection, selection(unmet=("a limit",)))
    version = world.registered()
    assert world.promoter()(RUN, version) == "NEEDS_DECISION"
    run = world.run()
    assert (run.status, run.version) == ("NEEDS_DECISION", version)
    assert why in (run.reason or "")
    assert world.registry.models("demo")[0].live_version is None


def test_a_run_reports_that_it_replaced_a_manually_promoted_version(world: World) -> None:
    first = world.registered()
    world.registry.aliases.move(AliasRef("demo", "adult"), first, by="modeldrop promote by anna")
    second = world.registered_again()
    world.promoter()(AGAIN, second)
    (event,) = world.runs.get(AGAIN).events
    assert f"version {first}" in event.text
    assert "by anna" in event.text
    assert "promote: manual" in event.text


def test_a_run_that_replaced_the_version_of_another_run_reports_nothing(world: World) -> None:
    world.promoter()(RUN, world.registered())
    world.promoter()(AGAIN, world.registered_again())
    assert world.runs.get(AGAIN).events == ()
    assert world.registry.live("demo", "adult").version == 2


def test_a_late_run_of_an_older_upload_reports_why_its_version_is_not_live(world: World) -> None:
    late = world.registered()
    newer = upload().model_copy(update={"modified_at": NOW + timedelta(seconds=1)})
    world.promoter()(AGAIN, world.registered_again(newer))
    assert world.promoter()(RUN, late) == "SUCCEEDED"
    run = world.run()
    assert (run.status, run.version) == ("SUCCEEDED", late)
    assert "not promoted" in (run.reason or "")
    assert world.registry.live("demo", "adult").lineage.run == AGAIN
    assert world.registry.get("demo", "adult", late).status == "READY"


def test_a_canary_is_rolled_out_only_beside_a_live_version(world: World) -> None:
    world.keep(KEYS.spec, JobSpec(promote="canary"))
    assert world.promoter()(RUN, world.registered()) == "SUCCEEDED"
    assert world.registry.models("demo")[0].live_version == 1
    second = world.registered_again()
    world.keep(RunKeys(AGAIN).spec, JobSpec.model_validate({"promote": "canary", "canary": {"percent": 5}}))
    assert world.promoter()(AGAIN, second) == world.promoter()(AGAIN, second) == "SUCCEEDED"
    summary = world.registry.models("demo")[0]
    assert summary.rollout is not None
    assert (summary.live_version, summary.rollout.version, summary.rollout.percent) == (1, second, 5)
    assert "5 % of the requests" in (world.runs.get(AGAIN).reason or "")


@pytest.mark.parametrize(("low", "status"), [(-0.004, "SUCCEEDED"), (-0.02, "NEEDS_DECISION")])
def test_an_inferior_version_waits_for_a_decision_when_a_better_one_is_required(
    world: World, low: float, status: str
) -> None:
    world.keep(KEYS.spec, JobSpec(require="better"))
    compared = LiveComparison(
        version=1, metric="accuracy", rows=500, new=0.79, live=0.8, gain=-0.01, interval=(low, 0.0)
    )
    world.keep(KEYS.card, card(RUN).model_copy(update={"against_live": compared}))
    assert world.promoter()(RUN, world.registered()) == status
    assert ("not inferior" in (world.run().reason or "")) == (status == "NEEDS_DECISION")
