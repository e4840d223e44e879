"""A GPU job that gets no machine goes on on the CPU queue, and the run says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.data import as_jsonl, breast_cancer
from tests.cloud.driver import Cloud
from tests.local.conftest import until

pytestmark = pytest.mark.cloud

# So many trials that a GPU is estimated to pay; a minute is all that they get.
SPEC = (
    b"algorithms: [mlp]\ntarget: diagnosis\nlimits: {minutes: 0.3}\n"
    b"search: {method: random, trials: 500, space: {mlp: {dropout: [0.0, 0.1]}}}\n"
)


@pytest.fixture
def gpu_queue(cloud: Cloud) -> str:
    queues = cloud.session.client("batch").describe_job_queues()["jobQueues"]
    return next(str(queue["jobQueueArn"]) for queue in queues if "gpu" in queue["jobQueueName"])


@pytest.fixture
def busy(cloud: Cloud, gpu_queue: str) -> Iterator[None]:
    """Another job has the only machine of the GPU queue."""
    batch = cloud.session.client("batch")
    definition = next(
        found["jobDefinitionArn"]
        for found in batch.describe_job_definitions()["jobDefinitions"]
        if found["jobDefinitionName"].endswith("-train-gpu")
    )
    job = batch.submit_job(
        jobName="busy",
        jobQueue=gpu_queue,
        jobDefinition=definition,
        containerOverrides={"command": ["sleep", "200"]},
        retryStrategy={"attempts": 1},
    )["jobId"]
    yield
    batch.terminate_job(jobId=job, reason="the test is over")


def _watchers(cloud: Cloud) -> Iterator[tuple[str, dict[str, Any]]]:
    """The machine that limits how long jobs wait, with each input that it was started with."""
    for machine in cloud.sfn.list_state_machines()["stateMachines"]:
        if "JobWaits" in machine["name"]:
            for execution in cloud.sfn.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
                told = cloud.sfn.describe_execution(executionArn=execution["executionArn"])["input"]
                yield machine["stateMachineArn"], json.loads(told)


@pytest.mark.usefixtures("busy")
def test_a_gpu_job_that_waits_too_long_goes_on_on_the_cpu_queue(cloud: Cloud, gpu_queue: str) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/waits/train.yaml", Body=SPEC)
    run = cloud.drop("demo/waits/rows.jsonl", as_jsonl(breast_cancer()))
    batch = cloud.session.client("batch")

    def waiting() -> list[str]:
        jobs = batch.list_jobs(jobQueue=gpu_queue, jobStatus="RUNNABLE")["jobSummaryList"]
        return [job["jobId"] for job in jobs if job["jobName"] == f"{run}-gpu"]

    (job,) = until(waiting, 60)
    ((machine, told),) = until(lambda: [found for found in _watchers(cloud) if found[1]["job"] == job], 30)
    assert told["seconds"] == 600
    cloud.sfn.start_execution(stateMachineArn=machine, input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("no machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert cloud.document(run, "card")["devices"]["gpu"] == "cpu"
