"""A small plan is one job on Fargate's queue, and goes on on the CPU queue when Fargate does not start it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cloud.data import as_csv, breast_cancer
from tests.cloud.driver import Cloud
from tests.cloud.queues import find_queue, occupied, waiting_job

pytestmark = pytest.mark.cloud

SPEC = b"algorithms: [linear, random_forest]\ncompression: {precisions: [fp32]}\n"


@pytest.fixture
def queue(cloud: Cloud) -> str:
    return find_queue(cloud, "-fargate")


@pytest.fixture
def busy(cloud: Cloud, queue: str) -> Iterator[None]:
    """Another job has all that the queue gives."""
    with occupied(cloud, queue, "-small"):
        yield


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
    job = waiting_job(cloud, queue, f"{run}-cpu")
    machine = next(one for one in cloud.sfn.list_state_machines()["stateMachines"] if "JobWaits" in one["name"])
    cloud.sfn.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("no machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert _jobs(cloud, run) == {"cpu": "cpu-spot", "compress": "cpu-spot"}
