"""An ended run is retried from its start or from a later stage."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.contracts.errors import ConflictError, InputError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import STAGES, RunError
from pipeline.intake.run_log import RunLog
from pipeline.use_cases.management.retry_run import RetryRun
from tests.fakes.executions import FakeExecutions
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import upload
from tests.fakes.table import FakeTable

RUN = "demo_m_00000000000a"
ROOT = RunKeys(RUN).root
DOCUMENTS = (
    "upload.json", "spec.json", "dataset.json", "splits/train.parquet", "plan.json", "jobs/cpu/outcome.json",
    "candidates/mlp/trained.json", "ensemble.json", "jobs/ensemble/outcome.json", "variants.json",
    "jobs/compress/outcome.json", "selection.json", "golden.json", "card.json",
)  # fmt: skip


class World:
    """A run that failed after some of its stages."""

    def __init__(self, finished: int, documents: int) -> None:
        self.uploads, self.artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
        self.runs, self.executions = RunLog(FakeTable()), FakeExecutions()
        self.uploads.put("demo/m/m.csv", b"rows")
        for name in DOCUMENTS[:documents]:
            self.artifacts.put(f"{ROOT}/{name}", name.encode())
        stored = upload().model_copy(
            update={"key": "demo/m/m.csv", "version_id": self.uploads.head("demo/m/m.csv").version_id}
        )
        self.artifacts.put(RunKeys(RUN).upload, stored.to_bytes())
        if documents > DOCUMENTS.index("plan.json"):
            self.artifacts.put(RunKeys(RUN).plan, Plan(metric="accuracy", candidates=(), jobs=()).to_bytes())
        self.runs.create(RUN, tenant="demo", model="m", file="m.csv", started_at=datetime.now(UTC))
        for stage in STAGES[:finished]:
            self.runs.finish_stage(RUN, stage)

    def fail(self) -> None:
        self.runs.fail(RUN, RunError(type="InternalError", message="it broke"))

    def retry(self, stage: str | None = None) -> str:
        retry = RetryRun(artifacts=self.artifacts, runs=self.runs, uploads=self.uploads, executions=self.executions)
        return retry(RUN, stage, by="anna")

    def copied(self, run: str) -> set[str]:
        root = f"{RunKeys(run).root}/"
        return {key.removeprefix(root) for key in self.artifacts.keys(root)}


@pytest.mark.parametrize(
    ("failed", "documents", "entry", "lacks"),
    [
        ("plan", 4, "plan", "plan.json"),
        ("train", 7, "plan", "jobs/cpu/outcome.json"),
        ("compress", 11, "compress", "jobs/compress/outcome.json"),
        ("compress", 7, "ensemble", "jobs/compress/outcome.json"),  # without an ensemble.json
        ("select", 11, "select", "selection.json"),
        ("evaluate", 12, "evaluate", "golden.json"),
        ("promote", 14, "register", "none"),
    ],
)
def test_a_failed_run_is_retried_from_the_stage_whose_inputs_exist(
    failed: str, documents: int, entry: str, lacks: str
) -> None:
    world = World(STAGES.index(failed), documents)  # type: ignore[arg-type]
    world.fail()
    run = world.retry()
    assert world.executions.started[run]["from"] == entry
    assert "candidates/mlp/trained.json" in world.copied(run) or documents < 7
    assert lacks not in world.copied(run)
    record = world.runs.get(run)
    assert [stage.name for stage in record.stages if stage.status == "SUCCEEDED"] == list(STAGES[: STAGES.index(entry)])  # type: ignore[arg-type]
    assert RUN in record.events[0].text


def test_a_run_that_failed_in_validation_is_retried_as_an_upload() -> None:
    world = World(0, 1)
    world.fail()
    before = world.uploads.head("demo/m/m.csv").version_id
    world.retry()
    assert world.executions.started == {}
    assert world.uploads.head("demo/m/m.csv").version_id != before


def test_a_succeeded_run_is_retried_as_an_upload_unless_a_stage_is_named() -> None:
    world = World(len(STAGES), len(DOCUMENTS))
    world.runs.succeed(RUN, 1)
    world.retry()
    assert world.executions.started == {}
    run = world.retry("select")
    assert world.executions.started[run] == {"run": run, "large": False, "from": "select", "plan": {"ensemble": False}}
    assert world.retry("select") != run


def test_an_active_run_or_an_invalid_stage_cannot_be_retried() -> None:
    world = World(2, 5)
    with pytest.raises(ConflictError, match="cancel"):
        world.retry()
    world.fail()
    with pytest.raises(ConflictError, match=r"select.*variants\.json"):
        world.retry("select")
    with pytest.raises(InputError, match="'training' is not a stage"):
        world.retry("training")
