"""A small plan is one job on Fargate's queue, and goes on on the CPU queue when Fargate does not start it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cloud.data import as_csv, breast_cancer
from tests.cloud.driver import Cloud
from tests.local.conftest import until

pytestmark = pytest.mark.cloud

SPEC = b"algorithms: [linear, random_forest]\ncompression: {precisions: [fp32]}\n"


@pytest.fixture
def queue(cloud: Cloud) -> str:
    queues = cloud.session.client("batch").describe_job_queues()["jobQueues"]
    return next(str(found["jobQueueArn"]) for found in queues if found["jobQueueName"].endswith("-fargate"))


@pytest.fixture
def busy(cloud: Cloud, queue: str) -> Iterator[None]:
    """Another job has all that the queue gives."""
    batch = cloud.session.client("batch")
    definitions = batch.describe_job_definitions()["jobDefinitions"]
    definition = next(one["jobDefinitionArn"] for one in definitions if one["jobDefinitionName"].endswith("-small"))
    job = batch.submit_job(
        jobName="busy",
        jobQueue=queue,
        jobDefinition=definition,
        containerOverrides={"command": ["sleep", "200"]},
        retryStrategy={"attempts": 1},
    )["jobId"]
    yield
    batch.terminate_job(jobId=job, reason="the test is over")


def _jobs(cloud: Cloud, run: str) -> dict[str, str]:
    """Names of the run's jobs that succeeded, and the queue of each."""
    batch = cloud.session.client("batch")
    found = {}
    for queue in batch.describe_job_queues()["jobQueues"]:
        for job in batch.list_jobs(jobQueue=queue["jobQueueArn"], jobStatus="SUCCEEDED")["jobSummaryList"]:
            if job["jobName"].startswith(run):
                found[job["jobName"].removeprefix(f"{run}-")] = queue["jobQueueName"].removeprefix("modeldrop-")
    return found


def test_a_small_plan_is_trained_and_compressed_by_one_job(cloud: Cloud) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/small/train.yaml", Body=SPEC)
    run = cloud.drop("demo/small/rows.csv", as_csv(breast_cancer()))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert _jobs(cloud, run) == {"cpu": "fargate"}
    assert all(stage.status == "SUCCEEDED" for stage in ended.stages)


@pytest.mark.usefixtures("busy")
def test_a_job_that_fargate_does_not_start_goes_on_on_the_cpu_queue(cloud: Cloud, queue: str) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/elsewhere/train.yaml", Body=SPEC)
    run = cloud.drop("demo/elsewhere/rows.csv", as_csv(breast_cancer()))
    batch = cloud.session.client("batch")

    def waiting() -> list[str]:
        jobs = batch.list_jobs(jobQueue=queue, jobStatus="RUNNABLE")["jobSummaryList"]
        return [job["jobId"] for job in jobs if job["jobName"] == f"{run}-cpu"]

    (job,) = until(waiting, 60)
    machine = next(one for one in cloud.sfn.list_state_machines()["stateMachines"] if "JobWaits" in one["name"])
    cloud.sfn.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("no machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert _jobs(cloud, run) == {"cpu": "cpu-spot", "compress": "cpu-spot"}
