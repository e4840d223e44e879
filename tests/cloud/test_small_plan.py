"""A small plan is one job on the Fargate queue, and continues on the CPU queue when Fargate does not start it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.helpers.cloud_driver import Cloud
from tests.helpers.cloud_queues import find_queue, occupied, waiting_job
from tests.helpers.real_data import as_csv, breast_cancer

pytestmark = pytest.mark.cloud

ATTEMPTS = 3  # of the job definition
SPEC = b"algorithms: [linear, random_forest]\ncompression: {precisions: [fp32]}\n"


@pytest.fixture
def queue(cloud: Cloud) -> str:
    return find_queue(cloud, "-fargate")


@pytest.fixture
def busy(cloud: Cloud, queue: str) -> Iterator[None]:
    """Occupy all of the queue with another job."""
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
def test_a_job_that_fargate_does_not_start_continues_on_the_cpu_queue(cloud: Cloud, queue: str) -> None:
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/elsewhere/train.yaml", Body=SPEC)
    run = cloud.drop("demo/elsewhere/rows.csv", as_csv(breast_cancer()))
    job = waiting_job(cloud, queue, f"{run}-cpu")
    machine = next(one for one in cloud.sfn.list_state_machines()["stateMachines"] if "JobWaits" in one["name"])
    cloud.sfn.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"job": job, "seconds": 1}))
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("did not get a machine" in event.text and "CPU queue" in event.text for event in ended.events)
    assert _jobs(cloud, run) == {"cpu": "cpu-spot", "ensemble": "cpu-spot", "compress": "cpu-spot"}


def test_a_job_killed_without_an_outcome_is_retried_with_twice_the_memory(cloud: Cloud, queue: str) -> None:
    """The process is killed in each attempt, as the kernel does when memory runs out."""
    cloud.s3.put_object(Bucket=cloud.uploads, Key="demo/killed/train.yaml", Body=SPEC)
    run = cloud.drop("demo/killed/rows.csv", as_csv(breast_cancer()))
    killed = set()
    while len(killed) < ATTEMPTS:
        killed |= {process for process in _processes("pipeline.jobs.train_and_compress", run) if _kill(process)}
        time.sleep(0.05)
    ended = cloud.ended(run)
    assert (ended.status, ended.error) == ("SUCCEEDED", None)
    assert any("without an outcome" in event.text and "twice the memory" in event.text for event in ended.events)
    assert _jobs(cloud, run) == {"cpu": "cpu-spot", "ensemble": "cpu-spot", "compress": "cpu-spot"}


def _processes(module: str, run: str) -> set[int]:
    """Ids of the processes that run ``module`` for ``run``, without those that supervise them."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if module in words and run in words and "pipeline.local.supervise" not in words:
                found.add(int(folder.name))
    return found


def _kill(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
        return True
    return False
