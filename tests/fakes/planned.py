"""A planned run, for tests of its jobs."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from pipeline.bootstrap import Job
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.plan import Candidate, Plan, TrainingJob
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.intake.run_log import RunLog
from pipeline.jobs.runtime.job import JobWork, run_job
from pipeline.jobs.train import train
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable
from tests.fakes.tabular import Table, table

__all__ = ["RUN", "House"]

RUN = "demo_adult_0123456789ab"
KEYS = RunKeys(RUN)


@dataclass
class House:
    """The stores and the table of a planned run, in the state that its jobs read."""

    artifacts: FakeObjectStore = field(default_factory=FakeObjectStore)
    table: FakeTable = field(default_factory=FakeTable)
    queue: Any = "cpu"

    @property
    def runs(self) -> RunLog:
        return RunLog(self.table)

    def plan(self, *candidates: Candidate, spec: JobSpec = JobSpec(), rows: int = 80) -> None:  # noqa: B008 - frozen
        self.plan_of(candidates, spec, table(rows=rows))

    def plan_of(self, candidates: tuple[Candidate, ...], spec: JobSpec, rows: Table) -> None:
        self.runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
        self.artifacts.put(KEYS.spec, spec.to_bytes())
        self.artifacts.put(KEYS.dataset, rows.dataset.to_bytes())
        for name, split in rows.splits.items():
            stream = io.BytesIO()
            split.write_parquet(stream)
            self.artifacts.put(KEYS.split(name), stream.getvalue())
        jobs = (TrainingJob(name="cpu", queue="cpu", candidates=tuple(one.name for one in candidates)),)
        ensemble = TrainingJob(name="ensemble", queue="cpu", candidates=("blend", "student"))
        planned = Plan(
            metric="accuracy", candidates=candidates, jobs=jobs, ensemble=ensemble if len(candidates) > 1 else None
        )
        self.artifacts.put(KEYS.plan, planned.to_bytes())

    def run(self, work: JobWork = train) -> int:
        job = Job(artifacts=self.artifacts, runs=self.runs, queue=self.queue, attempt=1)
        return run_job(work, ["--run", RUN, "--job", "cpu"], connect=lambda run: job)

    def outcome(self) -> JobOutcome:
        return JobOutcome.from_bytes(self.artifacts.get(KEYS.outcome("cpu")))
