"""The validate job does the step of the function when the data is too large for a function."""

from __future__ import annotations

import json
import random

import pytest

from pipeline.bootstrap import Job
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.outcome import JobOutcome
from pipeline.contracts.records.run import Upload
from pipeline.intake.job_outcomes import check_job
from pipeline.intake.run_log import RunLog
from pipeline.jobs.runtime.job import make_work, run_job
from pipeline.use_cases.validate_upload import ValidateUpload
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW
from tests.fakes.table import FakeTable

RUN = "demo_model_0123456789ab"
KEYS = RunKeys(RUN)
_CHANCE = random.Random(0)
GOOD = "x,y\n" + "".join(f"{_CHANCE.random()},{_CHANCE.choice('ab')}\n" for _ in range(60))


def run(body: str) -> tuple[int, JobOutcome, FakeObjectStore, RunLog]:
    uploads, artifacts, runs = FakeObjectStore("uploads"), FakeObjectStore("artifacts"), RunLog(FakeTable())
    uploads.put("demo/model/a.csv", body.encode())
    head = uploads.head("demo/model/a.csv")
    upload = Upload(bucket="uploads", key=head.key, version_id=head.version_id, bytes=head.bytes, etag=head.etag)
    artifacts.put(KEYS.upload, upload.to_bytes())
    runs.create(RUN, tenant="demo", model="model", file="a.csv", started_at=NOW)
    validator = ValidateUpload(artifacts=artifacts, runs=runs, uploads=uploads)
    job = Job(artifacts=artifacts, runs=runs, queue="cpu", attempt=1)
    code = run_job(make_work(validator), ["--run", RUN, "--job", "validate"], connect=lambda _: job)
    return code, JobOutcome.from_bytes(artifacts.get(KEYS.outcome("validate"))), artifacts, runs


def test_the_job_writes_the_results_of_the_function() -> None:
    code, outcome, artifacts, runs = run(GOOD)
    assert (code, outcome.status, outcome.error) == (0, "SUCCEEDED", None)
    assert sum(Dataset.from_bytes(artifacts.get(KEYS.dataset)).rows.model_dump().values()) == 60
    assert runs.get(RUN).stages[0].status == "SUCCEEDED"


def test_a_refused_file_is_quarantined_and_its_error_is_collected() -> None:
    code, outcome, artifacts, _ = run("x,y\n1,2\n")
    assert (code, outcome.status, outcome.retryable) == (1, "FAILED", False)
    report = json.loads(artifacts.get(KEYS.quarantine("report.json")))
    assert report["error"]["type"] == "TooFewRowsError"
    assert artifacts.get(KEYS.quarantine("a.csv")) == b"x,y\n1,2\n"
    with pytest.raises(Exception, match=r"the file has 1 row") as raised:
        check_job(RUN, "validate", "{}", artifacts=artifacts)
    assert type(raised.value).__name__ == "TooFewRowsError"
